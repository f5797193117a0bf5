"""Structured logs on stderr: readable lines in development, one JSON object per line in production."""

import logging
import sys
import warnings
from datetime import UTC, datetime

from structlog.dev import Column, ConsoleRenderer, KeyValueColumnFormatter, plain_traceback
from structlog.processors import JSONRenderer, format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

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
_LEVEL_WIDTH = 7

_add_extra = ExtraAdder()


def log_to_stderr(settings: Settings) -> None:
    """Send the records of all loggers, uvicorn's included, to stderr in the format of the profile."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(json_formatter() if settings.production else text_formatter(colors=sys.stderr.isatty()))
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper())
    logging.captureWarnings(True)
    for name in _WARNINGS_ONLY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # When a stream is cut off in the middle of a result, graphql-core drops the fields that it has not started.
    warnings.filterwarnings("ignore", r"coroutine '.*_async_resolver' was never awaited", RuntimeWarning)
    hide_query_strings()


def json_formatter() -> logging.Formatter:
    """Format a record as one JSON object; its exception is the text of the traceback."""
    return _formatter(format_exc_info, JSONRenderer())


def text_formatter(*, colors: bool = False) -> logging.Formatter:
    """Format a record as `TIME LEVEL [PID] LOGGER: [ACTION] MESSAGE key=value ...`; a traceback follows it."""
    styles = ConsoleRenderer.get_default_column_styles(colors)

    def column(key: str, style: str, prefix: str = "", postfix: str = "", width: int = 0) -> Column:
        return Column(key, KeyValueColumnFormatter(None, style, styles.reset, str, width, prefix, postfix))

    renderer = ConsoleRenderer(
        columns=[
            Column("", KeyValueColumnFormatter(styles.kv_key, styles.kv_value, styles.reset, _quoted)),
            column("timestamp", styles.timestamp),
            column("level", styles.bright, width=_LEVEL_WIDTH),
            column("pid", styles.timestamp, "[", "]"),
            column("logger", styles.logger_name, postfix=":"),
            column("action", styles.kv_key, "[", "]"),
            column("message", styles.bright),
        ],
        exception_formatter=plain_traceback,
        sort_keys=False,
    )
    return _formatter(renderer)


def _formatter(*renderers: Processor) -> ProcessorFormatter:
    return ProcessorFormatter(processors=[_fields, *renderers])


def _fields(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Return the fields of a record in the order in which they are shown.

    Only a record with an action is one of this program; the extra attributes of libraries may hold requests.
    """
    record: logging.LogRecord = event["_record"]
    extra: EventDict = {"_record": record}
    if hasattr(record, "action"):
        extra = _add_extra(logger, name, extra)
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    fields: dict[str, object] = {
        "timestamp": time.replace("+00:00", "Z"),
        "level": record.levelname,
        "logger": record.name,
        "pid": record.process,
        "action": extra.get("action"),
        "message": event["event"],
        **extra,
        "exc_info": event.get("exc_info"),
    }
    return {key: value for key, value in fields.items() if key != "_record" and value is not None}


def _quoted(value: object) -> str:
    """Return the value as it is, or quoted when it could be read as more than one value or more than one line."""
    text = str(value)
    return text if text and text.isprintable() and not set(text) & set(" =\"'") else repr(text)
