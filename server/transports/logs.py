"""Access logs without query strings, which may hold documents and tokens."""

import logging
from typing import Final

_LOGGERS: Final = ("uvicorn.access", "uvicorn.error")


class WithoutQueryString(logging.Filter):
    """Removes the query string from the path, which uvicorn passes among the arguments of its records."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_shortened(argument) for argument in record.args)
        return True


def hide_query_strings() -> None:
    """Install the filter on uvicorn's loggers; repeated calls have no effect."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)


def _shortened(argument: object) -> object:
    return argument.partition("?")[0] if isinstance(argument, str) and argument.startswith("/") else argument


_FILTER: Final = WithoutQueryString()  # a single instance: a logger adds the same filter only once
