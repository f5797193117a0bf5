"""The port through which the coordinator reports its work. The server implements it with metrics and traces."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from models.domain.trace import TraceContext
from models.writes.take_steps import TakeStep

Attributes = Mapping[str, str | int | float | bool]


class Span(NamedTuple):
    """A part of a trace that is over. Instants are in nanoseconds since 1970, UTC; `error` is why it failed."""

    name: str
    context: TraceContext
    started_at: int
    ended_at: int
    attributes: Attributes
    error: str | None = None


class Telemetry(Protocol):
    """Follows the background work of a process. Each method returns at once and raises nothing."""

    @property
    def traces(self) -> bool:
        """Whether spans are exported; otherwise `span` need not be called."""
        ...

    def take(self, step: TakeStep) -> None:
        """A change was committed in which a take has reached a state."""
        ...

    def taken_over(self, provider: str) -> None:
        """Another process has taken over a render of this one, which had lost its lease."""
        ...

    def joined(self, outcome: str, seconds: float) -> None:
        """An attempt to join clips is over: done, outdated, failed, interrupted, or long (to be made apart)."""
        ...

    def delivered(self, outcome: str, seconds: float) -> None:
        """An attempt to deliver an event to a webhook is over: accepted, or the kind of error in lower case."""
        ...

    def span(self, span: Span) -> None:
        """A part of a trace is over."""
        ...


class NoTelemetry:
    """Reports nothing."""

    traces = False

    def take(self, step: TakeStep) -> None:
        """Do nothing."""

    def taken_over(self, provider: str) -> None:
        """Do nothing."""

    def joined(self, outcome: str, seconds: float) -> None:
        """Do nothing."""

    def delivered(self, outcome: str, seconds: float) -> None:
        """Do nothing."""

    def span(self, span: Span) -> None:
        """Do nothing."""


NO_TELEMETRY = NoTelemetry()
