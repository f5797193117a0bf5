"""Structured logs on stderr: readable lines in development, one JSON object per line in production."""

import logging
import sys
import warnings

from server.log_formats import JsonFormatter, TextFormatter
from server.settings import Settings
from server.transports.logs import hide_query_strings

# Below WARNING these log prompts and tokens: SQL statements with their values, messages and requests as they arrive.
_WARNINGS_ONLY = (
    "pgqueuer",
    "alembic",
    "aiosqlite",
    "httpcore",
    "httpx",
    "sqlalchemy",
    "uvicorn.error",
    "websockets",
)


def log_to_stderr(settings: Settings) -> None:
    """Send the records of all loggers, uvicorn's included, to stderr in the format of the profile."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.production else TextFormatter(colors=sys.stderr.isatty()))
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper())
    logging.captureWarnings(True)
    for name in _WARNINGS_ONLY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # When a stream is cut off in the middle of a result, graphql-core drops the fields that it has not started.
    warnings.filterwarnings("ignore", r"coroutine '.*_async_resolver' was never awaited", RuntimeWarning)
    hide_query_strings()
