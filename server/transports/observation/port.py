"""The port through which the application follows operations, for its log and its metrics."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

from graphql import GraphQLError
from starlette.requests import HTTPConnection

ANSWERED_STATE = "answered"
"""The name, in the state of an HTTP request, of the operation that was answered."""


STREAM_STATE = "is_stream"
"""The name, in the state of an HTTP request, of the mark that a subscription answers it."""


class Answered(NamedTuple):
    """A query or a mutation that was executed, or any operation that was refused before that."""

    kind: str | None
    """None when the document does not show it."""
    name: str | None
    cost: int | None
    seconds: float
    codes: tuple[str, ...] = ()
    """The codes of its errors, each once; those in the payload of a mutation too."""
    compiled: bool = False
    """Whether a compiled plan made the answer."""


class Stream(NamedTuple):
    """A subscription that has started."""

    name: str | None
    cost: int | None


class StreamEnd(NamedTuple):
    """How a subscription has ended."""

    seconds: float
    messages: int
    codes: tuple[str, ...] = ()


class Observer(Protocol):
    """Follows operations. Its methods return at once and raise nothing."""

    def answered(self, connection: HTTPConnection, answered: Answered) -> None:
        """A query or a mutation was answered, or an operation refused."""
        ...

    def stream_started(self, connection: HTTPConnection, stream: Stream) -> None:
        """A subscription was accepted."""
        ...

    def stream_ended(self, connection: HTTPConnection, stream: Stream, end: StreamEnd) -> None:
        """A subscription has ended, for whatever reason."""
        ...

    def sent(self, messages: int) -> None:
        """Messages of subscriptions were handed to the sockets of their subscribers."""
        ...

    def delivered(self, occurred_at: datetime, messages: int) -> None:
        """Messages that show an event of this instant were handed to sockets now."""
        ...


class NoObserver:
    """An Observer that does nothing."""

    def answered(self, connection: HTTPConnection, answered: Answered) -> None: ...

    def stream_started(self, connection: HTTPConnection, stream: Stream) -> None: ...

    def stream_ended(self, connection: HTTPConnection, stream: Stream, end: StreamEnd) -> None: ...

    def sent(self, messages: int) -> None: ...

    def delivered(self, occurred_at: datetime, messages: int) -> None: ...


def codes_of(errors: Iterable[GraphQLError] | None) -> tuple[str, ...]:
    """Return the codes of errors, each once."""
    return tuple(dict.fromkeys(str((error.extensions or {}).get("code", "UNKNOWN")) for error in errors or ()))
