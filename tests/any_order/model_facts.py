"""What is true of a job by the lifecycle, in the fewest words: the real one is held against it."""

from dataclasses import dataclass, field

from coordinator.renders.claims import Claim
from models.domain.errors import ErrorCode
from models.domain.events import EventType
from models.domain.lifecycle import TRANSITIONS, JobStatus, SceneStatus
from models.domain.progress import JobStage
from schema.enums import SceneAction
from tests.any_order.model_scene import COMPLETED, FAILED, OPEN, PENDING, PROCESSING, ModelScene

Events = list[EventType]


class No(Exception):
    """Refused, with the code that a client sees; None when a render was fenced off, which no client sees."""

    def __init__(self, code: ErrorCode | None = None) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class JobFacts:
    """One job. `ours` says that our own workers render it, `begun` that it was started, or canceled before that."""

    id: str
    ours: bool
    title: str = "A job"
    begun: bool = False
    status: JobStatus = JobStatus.PENDING
    gone: bool = False
    expired: bool = False
    purged: bool = False
    # The version at which the clips were last complete in this order, and which they were.
    composition_version: int = 0
    composition: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    # Live and deleted.
    order: list[ModelScene] = field(default_factory=list[ModelScene])
    log: Events = field(default_factory=list[EventType])

    @property
    def scenes(self) -> list[ModelScene]:
        """The live ones, in play order."""
        return [scene for scene in self.order if not scene.deleted]

    @property
    def deleted(self) -> list[ModelScene]:
        """The deleted ones."""
        return [scene for scene in self.order if scene.deleted]

    def fits(self, scene: ModelScene, take: int) -> bool:
        """Whether a ticket for this take is still good for something: waiting, or taken over from another worker."""
        return scene.take == take and (self.waits(scene) or (scene.status is PROCESSING and scene.ours))

    def owns(self, scene: ModelScene, held: Claim) -> bool:
        """Whether who holds this right may still write."""
        return not scene.deleted and (scene.status, scene.take, scene.run) == (PROCESSING, held.take_number, held.run)

    def waits(self, scene: ModelScene) -> bool:
        """Whether it waits for a worker of ours."""
        return self.ours and self.begun and scene.status is PENDING and not scene.deleted

    def count(self, status: SceneStatus) -> int:
        """How many live scenes stand there."""
        return sum(scene.status is status for scene in self.scenes)

    @property
    def joinable(self) -> bool:
        """Whether every clip is stored with us."""
        return all(scene.here for scene in self.scenes)

    @property
    def retrying(self) -> int:
        """How many live scenes wait for an automatic retry."""
        return sum(scene.retry for scene in self.scenes)

    @property
    def stage(self) -> JobStage:
        """What is going on, for people."""
        match self.status:
            case JobStatus.PENDING:
                return JobStage.WAITING
            case JobStatus.COMPLETED:
                return JobStage.ASSEMBLING if self.joinable and not self.gone else JobStage.DONE
            case JobStatus.FAILED | JobStatus.CANCELED:
                return JobStage.STOPPED
            case JobStatus.PROCESSING:
                if self.count(PROCESSING):
                    return JobStage.GENERATING
                return JobStage.RETRYING if self.retrying == self.count(PENDING) else JobStage.QUEUED

    def actions(self, scene: ModelScene) -> set[SceneAction]:
        """What its owner is told may be done to a scene."""
        if self.gone:
            return set()
        if scene.deleted:
            return set() if scene.expired else {SceneAction.RESTORE}
        can = {SceneAction.UPDATE, SceneAction.MOVE}
        can |= {SceneAction.CANCEL} if scene.status in OPEN else {SceneAction.REGENERATE}
        if scene.status not in OPEN and scene.clips:
            can.add(SceneAction.SELECT_TAKE)
        return can if self.status is JobStatus.PROCESSING else can | {SceneAction.DELETE}

    def transitions(self, scene: ModelScene) -> tuple[SceneStatus, ...]:
        """What updateScene may set."""
        return () if self.gone or scene.deleted else TRANSITIONS[scene.status]

    @property
    def percentage(self) -> float:
        """How far all is, unrounded and uncapped."""
        return sum(scene.reached for scene in self.scenes) / len(self.scenes) if self.scenes else 0.0

    def derived(self) -> JobStatus:
        """The status by the rule."""
        if not self.begun:
            return JobStatus.PENDING
        if self.count(PENDING) + self.count(PROCESSING) > 0:
            return JobStatus.PROCESSING
        if self.scenes and self.count(COMPLETED) == len(self.scenes):
            return JobStatus.COMPLETED
        return JobStatus.FAILED if self.count(FAILED) else JobStatus.CANCELED

    def logged(self, events: Events) -> Events:
        """Log the events, and that the job has come to rest by them."""
        if not events:
            return []
        before, self.status = self.status, self.derived()
        if self.status is not before and self.status not in (JobStatus.PENDING, JobStatus.PROCESSING):
            events = [*events, EventType.JOB_SETTLED]
        self.log += events
        self._compose(before, comes_back=EventType.JOB_RESTORED in events)
        return events

    def _compose(self, before: JobStatus, *, comes_back: bool) -> None:
        composition = [(scene.id, scene.take) for scene in self.scenes]
        is_new = before is not JobStatus.COMPLETED or composition != self.composition or (comes_back and self.joinable)
        if self.status is JobStatus.COMPLETED and is_new:
            self.composition_version = len(self.log)
        self.composition = composition

    def begins(self) -> Events:
        """Start, which needs something to be rendered."""
        if not self.scenes:
            raise No(ErrorCode.INVALID_TRANSITION)
        self.begun = True
        return [EventType.JOB_STARTED]

    def must_be_here(self) -> None:
        """Raise No for a job that is deleted."""
        if self.purged:
            raise No(ErrorCode.NOT_FOUND)
        if self.gone:
            raise No(ErrorCode.ALREADY_DELETED)

    def must_live(self, scene: ModelScene) -> None:
        """Raise No for a scene that is deleted, by itself or with its job."""
        if self.gone or scene.deleted:
            raise No(ErrorCode.ALREADY_DELETED)

    def must_own(self, scene: ModelScene, held: Claim) -> None:
        """Raise No, which no client sees, for a right that holds no longer."""
        if not self.owns(scene, held):
            raise No
