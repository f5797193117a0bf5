"""The history of a run: the changes that were requested, and which of them the server acknowledged."""

from typing import NamedTuple

# Events that other changes cause, so that the log may have them without a request.
CONSEQUENCES = frozenset({"JOB_STARTED", "JOB_SETTLED", "SCENE_CANCELED"})
EDITED = "EDITED"


class Change(NamedTuple):
    """A requested change: `action` is the event type, or EDITED. `value` is what was written, unique in the run.

    Its version is in `after` < version <= `upto`; `upto` is None when the answer was lost. The log must have a change
    that is `acknowledged`, and may have another.
    """

    job_id: str
    scene_id: str | None
    action: str
    value: str
    after: int
    upto: int | None
    acknowledged: bool

    def may_have(self, version: int) -> bool:
        """Whether the change may have been made at this version."""
        return self.after < version and (self.upto is None or version <= self.upto)


class History:
    """All requested changes of a run."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def record(self, change: Change) -> None:
        """Add a change."""
        self.changes.append(change)


def action_of(event_type: str, changed: list[str], *, of_scene: bool) -> str:
    """Return the action behind an event; every edit and report of the writers has a new title."""
    return EDITED if of_scene and "title" in changed else event_type
