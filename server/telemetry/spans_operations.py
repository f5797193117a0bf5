"""The spans of operations: the first ones of a trace, or those below the span of a client."""

import time
from datetime import datetime
from typing import Final

from starlette.requests import HTTPConnection

from coordinator.telemetry.port import Span, Telemetry
from models.domain import trace
from server.transports.observation.port import Answered, Observer, Stream, StreamEnd

_MOST_CHARACTERS: Final = 100
"""The longest name of an operation that is reported in full."""


class TracingObserver:
    """An observer that also reports the span of each query and mutation. Subscriptions have none: they last."""

    def __init__(self, observer: Observer, telemetry: Telemetry) -> None:
        self._observer = observer
        self._telemetry = telemetry

    def answered(self, connection: HTTPConnection, answered: Answered) -> None:
        """Report the span of the current task, which began when the operation did."""
        self._observer.answered(connection, answered)
        context = trace.current()
        if context is None or not context.sampled:
            return
        ended_at = time.time_ns()
        kind, name = answered.kind or "operation", (answered.name or "")[:_MOST_CHARACTERS]
        attributes: dict[str, str | int] = {"graphql.operation.type": kind}
        if name:
            attributes["graphql.operation.name"] = name
        if answered.cost is not None:
            attributes["scenewire.cost"] = answered.cost
        started_at = ended_at - int(answered.seconds * 1e9)
        error = answered.codes[0] if answered.codes else None
        self._telemetry.span(Span(f"{kind} {name}".strip(), context, started_at, ended_at, attributes, error))

    def stream_started(self, connection: HTTPConnection, stream: Stream) -> None:
        """Pass it on."""
        self._observer.stream_started(connection, stream)

    def stream_ended(self, connection: HTTPConnection, stream: Stream, end: StreamEnd) -> None:
        """Pass it on."""
        self._observer.stream_ended(connection, stream, end)

    def sent(self, messages: int) -> None:
        """Pass it on."""
        self._observer.sent(messages)

    def delivered(self, occurred_at: datetime, messages: int) -> None:
        """Pass it on."""
        self._observer.delivered(occurred_at, messages)


def traced(observer: Observer, telemetry: Telemetry) -> Observer:
    """Return the observer, which also reports spans if they are exported."""
    return TracingObserver(observer, telemetry) if telemetry.traces else observer
