"""The values of a stream that several subscribers share."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SharedValue:
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


END = SharedValue(None)
"""The stream ends: the job is gone, or its subscribers have lost access to it."""
