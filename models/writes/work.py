"""What follows a change: work for the queue, and notifications."""

from typing import NamedTuple


class Ticket(NamedTuple):
    """The work of rendering one take. A higher `priority` goes first."""

    provider: str
    job_id: str
    scene_id: str
    take_number: int
    priority: int = 0
    delay_seconds: float = 0.0

    @property
    def key(self) -> str:
        """The deduplication key: a take that waits or runs is not enqueued again."""
        return f"{self.scene_id}:{self.take_number}"


class Assembly(NamedTuple):
    """The work of joining the clips of a job: those of the composition that became complete at this version.

    A higher `priority` goes first. `long` work was found to take long, and waits apart from the rest.
    """

    job_id: str
    composition_version: int
    delay_seconds: float = 0.0
    priority: int = 0
    long: bool = False

    @property
    def composition(self) -> str:
        """What is joined: equal for the short and the long work of one composition."""
        return f"{self.job_id}:{self.composition_version}"

    @property
    def key(self) -> str:
        """The deduplication key: a composition that waits or runs is not enqueued again."""
        return f"{self.composition}:long" if self.long else self.composition


Work = Ticket | Assembly


class Tick(NamedTuple):
    """A notification that the progress of a running scene has changed. Not an event of the log."""

    job_id: str
    scene_id: str
