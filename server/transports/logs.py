"""uvicorn's access log is the one line of a plain request, without what a query string may hold: queries and tokens."""

import logging
from typing import Final

_LOGGERS: Final = ("uvicorn.access", "uvicorn.error")


class WithoutQueryString(logging.Filter):
    """uvicorn passes the path with the query string among the arguments of its records."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_shortened(argument) for argument in record.args)
        return True


def hide_query_strings() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)


def _shortened(argument: object) -> object:
    return argument.partition("?")[0] if isinstance(argument, str) and argument.startswith("/") else argument


_FILTER: Final = WithoutQueryString()  # one, for a logger takes the same filter only once
