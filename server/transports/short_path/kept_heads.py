"""The heads of requests that clients send again and again, with what was decided by them.

A client sends the same head with each of its requests, but for a few values (`head_shapes`), and everything between the
socket and the execution depends on it and on the address of the peer: the parsed headers, the address and path behind
proxies, the checks of origin, host and media types, the authenticated viewer, and the head of the response. What
depends on time as well (a token that expires or is revoked, the request id) is decided for each request by a `Renew`.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from starlette.requests import Request
from starlette.types import ASGIApp, Scope

from server.transports.short_path.head_shapes import ShapedHead
from server.transports.short_path.repetitions import Repetitions
from server.transports.short_path.response_heads import ResponseHead

BYTES_OF_HEAD: Final = 6_000
BYTES_OF_FIELD: Final = 160
BYTES_OF_CHARACTER: Final = 4
"""Estimates of the memory that a head takes, with the scopes and headers that were made from it."""

MOST_CHARACTERS: Final = 8_000
"""A longer head is not kept."""

State = dict[str, Any]

Renew = Callable[[ShapedHead], State | None]
"""Returns the state of another request with the same head, but for the values that are no part of its shape; None when
the middleware has to decide."""


class Renewal(Protocol):
    """What the application decides for each request. Requests that pass the middleware are not its concern."""

    def of(self, scope: Scope) -> Renew:
        """Return what decides about further requests like this one, which the middleware has let pass."""
        ...

    def begin(self, scope: Scope) -> object:
        """Do what the middleware does before a request is executed, in the task of the request. Returns what `end`
        takes."""
        ...

    def end(self, begun: Any) -> None:
        """Undo what `begin` did, where the task of the request does not end with it."""
        ...

    def answered(self, scope: Scope, status: int) -> None:
        """Do what the middleware does when the response to a request starts, such as logging it."""
        ...


Answer = Callable[[Request, bytes], Awaitable[ASGIApp]]
"""Executes a request with this body, and returns the response to send. Raises nothing but unexpected errors."""

AnswerAtOnce = Callable[[Request, bytes], ASGIApp | None]
"""Returns the response to a request with this body if nothing has to be executed for it; else None, and nothing is
counted. Raises nothing but unexpected errors."""


class AnswersAtOnce(NamedTuple):
    """The answers to requests for which nothing has to be executed."""

    may_answer: Callable[[bytes], bool]
    """Whether the answer to a request with this body may be kept."""
    answer: AnswerAtOnce


class LastHead(NamedTuple):
    """A head as it was last sent, and the length of the body behind it."""

    text: bytes
    shaped: ShapedHead
    body_bytes: int


@dataclass(slots=True, weakref_slot=True)
class KeptHead:
    """What was decided by a head."""

    received: Scope
    """The scope as it reaches the middleware, without the headers that vary."""
    passed: Scope
    """The scope as the middleware passed it on, without its state and the headers that vary."""
    renew: Renew
    renewal: Renewal
    answer: Answer
    at_once: AnswersAtOnce | None
    """None where no answer is kept."""
    response: ResponseHead
    last: LastHead | None = None
    is_used: bool = True
    """Whether it was used since it was last considered to be forgotten."""

    def scope(self, state: State) -> Scope:
        """Return the scope of a request behind the middleware."""
        return {**self.passed, "state": state, "extensions": {}}


class KeptHeads:
    """The heads that one server keeps, by the addresses of the connection and the shape of the head.

    Beyond a number of bytes, those are forgotten that were not used for the longest time. Connections that have found a
    head mark it as used (`is_used`), which takes less time than to change the order. A head is kept when it is sent for
    the second time.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, tuple[KeptHead, int]] = OrderedDict()
        self._sent = Repetitions()
        self.bytes = 0

    def __len__(self) -> int:
        """Return the number of heads."""
        return len(self._kept)

    def get(self, key: Hashable) -> KeptHead | None:
        """Return what was decided by a head, if it is kept."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def is_worth_keeping(self, key: Hashable) -> bool:
        """Return whether the head was sent before; remember that it was sent."""
        return bool(self._most_bytes) and self._sent.is_repeated(key)

    def add(self, key: Hashable, text: bytes, head: KeptHead) -> None:
        """Keep a head with this text."""
        self._discard(key)
        size = BYTES_OF_HEAD + BYTES_OF_FIELD * text.count(b"\n") + BYTES_OF_CHARACTER * len(text)
        self._kept[key] = head, size
        self.bytes += size
        while self.bytes > self._most_bytes:
            oldest, (kept, forgotten) = next(iter(self._kept.items()))
            if kept.is_used:
                kept.is_used = False
                self._kept.move_to_end(oldest)
            else:
                del self._kept[oldest]
                self.bytes -= forgotten

    def _discard(self, key: Hashable) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self.bytes -= found[1]
