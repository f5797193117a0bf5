"""The port between a shared stream and the subscription that makes its values."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from strawberry.types.nodes import Selection


class Value(Protocol):
    """One value of a stream; see `subscriptions.shared.SharedValue`."""

    @property
    def value(self) -> object:
        """The root value of the execution."""
        ...

    @property
    def version(self) -> int | None:
        """The position in the log; a subscriber that has this version or a later one does not get the value."""
        ...

    @property
    def key(self) -> str | None:
        """Of values with the same key, a slow subscriber gets the newest only."""
        ...

    @property
    def received(self) -> object:
        """What the value was made from, to make it again."""
        ...

    @property
    def is_snapshot(self) -> bool:
        """Whether the value replaces all events up to its version."""
        ...

    @property
    def more_follow(self) -> bool:
        """Whether a value with another key follows at once."""
        ...

    @property
    def is_update(self) -> bool:
        """Of the values of a state: whether it is one for the others, who had another state before."""
        ...

    @property
    def occurred_at(self) -> datetime | None:
        """When what it shows happened, by the clock of the database; None when that is no single instant."""
        ...


class ReadyValues(Protocol):
    """The values of a source that are made without waiting."""

    @property
    def pending(self) -> bool:
        """Whether anything is pending, such a value or another one."""
        ...

    def hand_over(self, handler: Callable[[], bool] | None) -> None:
        """Call `handler`, if there is one, when anything becomes pending; if it returns True, `Source.wait` does not
        end for that."""
        ...

    def wake(self) -> None:
        """End the current `Source.wait`, if anything is pending."""
        ...

    def peek(self) -> Value | None:
        """Return the next value, which stays pending; None when nothing is pending, or what has to be waited for."""
        ...

    def drop(self) -> None:
        """Take the value that `peek` has returned last."""
        ...


class Missed(Protocol):
    """The values that subscribers missed."""

    def values(self) -> AsyncGenerator[Value]:
        """Yield the missed values in order."""
        ...


class Source(Protocol):
    """Makes the values of one stream, one after the other, for all its subscribers.

    Its methods raise domain errors, which end the stream of the subscribers that they concern.
    """

    def joined(self) -> AbstractAsyncContextManager[int]:
        """The block in which no value is missed; it receives the version after which values come."""
        ...

    @property
    def pending(self) -> bool:
        """Whether `take` returns at once."""
        ...

    async def wait(self) -> None:
        """Wait until a value is pending, or for `interrupt`."""
        ...

    def interrupt(self) -> None:
        """End the current or the next `wait`."""
        ...

    @property
    def ready(self) -> ReadyValues | None:
        """Its values that are made without waiting; None if each may have to be waited for."""
        ...

    async def finished(self) -> bool:
        """Whether the stream is complete, although its object still exists."""
        ...

    def making_message(self) -> AbstractAsyncContextManager[None]:
        """Return the block in which a value is made and executed."""
        ...

    async def take(self) -> Value | None:
        """Return the next value; None when the pending update has none, `end` when the stream ends."""
        ...

    async def make(self, received: object) -> Value | None:
        """Make the newest value with the key of one that was made from `received`; like `take`."""
        ...

    async def again(self, received: object) -> Value | None:
        """Make a value with a version again that was sent to others; None when it cannot be made any more."""
        ...

    def states(self, *, lagged: bool) -> AsyncGenerator[Value]:
        """Yield the values of the current state, for members that join or lag behind; `end` when their stream ends.

        Each is executed before the next one is made.
        """
        ...

    def missed(self, context: Any, after: int, is_covered: Callable[[int], bool]) -> Missed:
        """Return the values after a version, until a version of which `is_covered` is true was yielded."""
        ...

    def continue_after(self, missed: Any) -> None:
        """Make no value that is older than what the missed values showed."""
        ...


class Sharing(Protocol):
    """How the values of one subscription are made for many subscribers."""

    @property
    def analyze(self) -> Callable[[Sequence[Selection]], object]:
        """Finds what matters of the selected fields, once for a document, without the values of variables."""
        ...

    @property
    def make(self) -> Callable[[Any, Mapping[str, Any], Any], Source]:
        """Makes the source from the context, the arguments as the resolver gets them, and what `analyze` found."""
        ...

    @property
    def position(self) -> str | None:
        """The argument with the version after which a subscriber continues; each subscriber has its own."""
        ...
