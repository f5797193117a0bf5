"""What the lifecycle says of one scene, in the fewest words: the real one is held against it."""

from dataclasses import dataclass, field
from typing import NamedTuple

from models.domain.lifecycle import SceneStatus
from tests.support.domain import MAX_ATTEMPTS

PENDING, PROCESSING, COMPLETED, FAILED, CANCELED = SceneStatus
OPEN = (PENDING, PROCESSING)


class Kept(NamedTuple):
    """A completed take: the provider's id of it, and whether its clip is stored with us."""

    provider_id: str | None
    here: bool


@dataclass
class ModelScene:
    """One scene. `reached` is the furthest any take got since the last regenerate, `ours` that our worker has it."""

    id: str
    title: str | None = None
    status: SceneStatus = PENDING
    take: int = 1
    newest: int = 1
    # The completed takes that it does not show.
    clips: dict[int, Kept] = field(default_factory=dict[int, Kept])
    # Whether the clip that it shows is stored with us.
    here: bool = False
    run: int = 0
    ours: bool = False
    started: bool = False
    attempts: int = 0
    most_attempts: int = MAX_ATTEMPTS
    percentage: float | None = None
    reached: float = 0.0
    provider_id: str | None = None
    failed_with: str | None = None
    retry: bool = False
    far: bool = False
    deleted: bool = False
    expired: bool = False
    purged: bool = False

    @property
    def retry_later(self) -> bool:
        """Whether an automatic retry waits for a time that does not come within the test."""
        return self.retry and self.far

    def close(self, status: SceneStatus) -> None:
        """Nothing renders it any more."""
        self.status, self.ours, self.retry = status, False, False
        if status is COMPLETED:
            self.percentage = self.reached = 100.0

    def advance(self, percentage: float) -> None:
        """Get on, and never back."""
        self.percentage = max(percentage, self.percentage or 0.0)
        self.reached = max(percentage, self.reached)

    def reported(self, status: SceneStatus) -> None:
        """Be moved by somebody else's worker."""
        if status is not CANCELED:
            self.attempts += not self.started
            self.started = True
            self.failed_with = "REPORTED_FAILURE" if status is FAILED else None
        if status is PROCESSING:
            self.status, self.retry = PROCESSING, False
        else:
            self.close(status)

    def retake(self) -> None:
        """Wait for another take."""
        self.put_by()
        self.newest += 1
        self.status, self.take, self.started, self.ours = PENDING, self.newest, False, False
        self.percentage = self.provider_id = None
        self.here = False

    def put_by(self) -> None:
        """Keep the clip that it shows for later, if there is one."""
        if self.status is COMPLETED:
            self.clips[self.take] = Kept(self.provider_id, self.here)

    def select(self, take: int) -> None:
        """Show a clip that was kept."""
        self.put_by()
        self.take, self.failed_with = take, None
        self.provider_id, self.here = self.clips.pop(take)
        self.close(COMPLETED)
