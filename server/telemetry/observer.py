"""Follows the operations of all transports, for the log and the metrics."""

from datetime import datetime
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from server.telemetry.lines import log_end, log_operation, log_start
from server.transports.observation.port import ANSWERED_STATE, Answered, Stream, StreamEnd

if TYPE_CHECKING:
    from server.telemetry.request_metrics import RequestMetrics


class RequestObserver:
    """The observer of one server."""

    def __init__(self, metrics: "RequestMetrics | None") -> None:
        self._metrics = metrics

    def answered(self, connection: HTTPConnection, answered: Answered) -> None:
        """Log and count it; that of an HTTP request is logged with its response."""
        if connection.scope["type"] == "http":
            connection.scope.setdefault("state", {})[ANSWERED_STATE] = answered
        else:
            log_operation(connection, answered)
        if self._metrics is not None:
            self._metrics.answered(answered)

    def stream_started(self, connection: HTTPConnection, stream: Stream) -> None:
        """Log and count it."""
        log_start(connection, stream)
        if self._metrics is not None:
            self._metrics.stream_started(stream)

    def stream_ended(self, connection: HTTPConnection, stream: Stream, end: StreamEnd) -> None:
        """Log and count it."""
        log_end(connection, stream, end)
        if self._metrics is not None:
            self._metrics.stream_ended(stream, end)

    def sent(self, messages: int) -> None:
        """Count them."""
        if self._metrics is not None:
            self._metrics.sent(messages)

    def delivered(self, occurred_at: datetime, messages: int) -> None:
        """Count them by their lag."""
        if self._metrics is not None:
            self._metrics.delivered(occurred_at, messages)
