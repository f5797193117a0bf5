"""The model of one scene: the lifecycle rules, written independently of the product."""

from dataclasses import dataclass, field
from typing import NamedTuple

from models.domain.lifecycle import SceneStatus
from tests.support.domain import MAX_ATTEMPTS

PENDING, PROCESSING, COMPLETED, FAILED, CANCELED = SceneStatus
OPEN = (PENDING, PROCESSING)


class KeptClip(NamedTuple):
    """A completed take that the scene does not show: its provider id, and what became of its clip."""

    provider_id: str | None
    stored: bool
    adopted: bool


@dataclass
class ModelScene:
    """One scene. `high_water` is the largest percentage since the last regenerate; `leased`: one of our workers has it.

    `stored` says whether the clip of the shown take is in our storage, `adopted` whether it came from a reported
    address, `linked` whether the take shows such an address; `kept_clips` holds completed takes by number, `other_ids`
    the provider ids of all takes that are not shown. A scene whose reported clip is being adopted is `leased` as well.
    """

    id: str
    title: str | None = None
    status: SceneStatus = PENDING
    take: int = 1
    newest_take: int = 1
    kept_clips: dict[int, KeptClip] = field(default_factory=dict[int, KeptClip])
    other_ids: dict[int, str | None] = field(default_factory=dict[int, str | None])
    stored: bool = False
    adopted: bool = False
    linked: bool = False
    run: int = 0
    leased: bool = False
    started: bool = False
    attempts: int = 0
    max_attempts: int = MAX_ATTEMPTS
    percentage: float | None = None
    high_water: float = 0.0
    provider_id: str | None = None
    failure_code: str | None = None
    retry_pending: bool = False
    backoff_is_long: bool = False
    deleted: bool = False
    expired: bool = False
    purged: bool = False

    @property
    def in_backoff(self) -> bool:
        """Whether an automatic retry is due at a time that does not come within the test."""
        return self.retry_pending and self.backoff_is_long

    def finish(self, status: SceneStatus) -> None:
        """End the render."""
        self.status, self.leased, self.retry_pending = status, False, False
        if status is COMPLETED:
            self.percentage = self.high_water = 100.0

    def advance(self, percentage: float) -> None:
        """Raise the progress; it never falls."""
        self.percentage = max(percentage, self.percentage or 0.0)
        self.high_water = max(percentage, self.high_water)

    def report_status(self, status: SceneStatus) -> None:
        """Apply the status that an external worker reported."""
        if status is not CANCELED:
            self.attempts += not self.started
            self.started = True
            self.failure_code = "REPORTED_FAILURE" if status is FAILED else None
        if status is PROCESSING:
            self.status, self.retry_pending = PROCESSING, False
        else:
            self.finish(status)

    def start_new_take(self) -> None:
        """Queue another take."""
        self.keep_clip()
        self.other_ids[self.take] = self.provider_id
        self.newest_take += 1
        self.status, self.take, self.started, self.leased = PENDING, self.newest_take, False, False
        self.percentage = self.provider_id = None
        self.stored = self.adopted = self.linked = False

    def begin_adoption(self) -> None:
        """Lease the scene to the process that fetches the clip that a worker outside the server has made."""
        self.leased = self.linked = True
        self.run += 1
        self.advance(99.0)

    def keep_clip(self) -> None:
        """Keep the shown clip, if there is one, so that it can be selected later."""
        if self.status is COMPLETED:
            self.kept_clips[self.take] = KeptClip(self.provider_id, self.stored, self.adopted)

    def select(self, take: int) -> None:
        """Show a kept clip."""
        self.keep_clip()
        self.other_ids[self.take] = self.provider_id
        del self.other_ids[take]
        self.take, self.failure_code = take, None
        self.provider_id, self.stored, self.adopted = self.kept_clips.pop(take)
        self.linked = False
        self.finish(COMPLETED)
