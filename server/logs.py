"""Structured logs on stderr: readable lines in development, one JSON object per line in production."""

import logging
import sys
import warnings

from models.domain import trace
from server.log_formats import JsonFormatter, TextFormatter
from server.settings import Settings
from server.telemetry.levels import set_levels
from server.transports.logs import hide_query_strings


class WithTrace(logging.Filter):
    """Adds the ids of the current span to each record that has none of its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        context = trace.current()
        if context is not None and not hasattr(record, "trace_id"):
            record.trace_id, record.span_id = context.trace_id, context.span_id
        return True


def log_to_stderr(settings: Settings) -> None:
    """Send the records of all loggers, uvicorn's included, to stderr in the format of the profile."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.production else TextFormatter(colors=sys.stderr.isatty()))
    handler.addFilter(WithTrace())
    # Neither format shows them, and each record would look them up.
    logging.logThreads = logging.logMultiprocessing = False
    logging.basicConfig(handlers=[handler])
    logging.captureWarnings(True)
    set_levels(settings.log_level, settings.log_levels)
    # When a stream is cut off in the middle of a result, graphql-core drops the fields that it has not started.
    warnings.filterwarnings("ignore", r"coroutine '.*_async_resolver' was never awaited", RuntimeWarning)
    hide_query_strings()
