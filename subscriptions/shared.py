"""The values of a stream that several subscribers share."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Never

from schema.context import Context


class SharedValue(NamedTuple):
    """One value of a stream, which is executed once for all its subscribers."""

    value: object
    """The root value of the execution."""
    version: int | None = None
    """The position in the log; a subscriber that has this version or a later one does not get the value."""
    key: str | None = None
    """Of values with the same key, a slow subscriber gets the newest only."""
    received: object = None
    """What the value was made from, to make it again."""
    is_snapshot: bool = False
    """Whether the value replaces all events up to its version."""
    more_follow: bool = False
    """Whether a value with another key follows at once."""
    is_update: bool = False
    """Of the values of a state: whether it is one for the others, who had another state before."""
    occurred_at: datetime | None = None
    """When what it shows happened, by the clock of the database; None when that is no single instant."""


class WithoutPositions:
    """What a source of latest values has instead of a log."""

    @property
    def ready(self) -> None:
        """Return None: each of its values is read."""

    async def again(self, received: object) -> Never:
        """Not called: a latest value has no version."""
        raise NotImplementedError

    def missed(self, context: Context, after: int, is_covered: Callable[[int], bool]) -> Never:
        """Not called: a latest value has no position."""
        raise NotImplementedError

    def continue_after(self, missed: object) -> Never:
        """Not called: a latest value has no position."""
        raise NotImplementedError


END = SharedValue(None)
"""The stream ends: the job is gone, or its subscribers have lost access to it."""
