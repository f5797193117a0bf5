"""The state of a modelled job, and what follows from it: status, progress, stage, available actions."""

from dataclasses import dataclass, field

from coordinator.renders.claim import Claim
from models.domain.errors import ErrorCode
from models.domain.events import EventType
from models.domain.lifecycle import TRANSITIONS, JobStatus, SceneStatus
from models.domain.progress import JobStage
from schema.enums import SceneAction
from tests.any_order.model_scene import COMPLETED, FAILED, OPEN, PENDING, PROCESSING, ModelScene

Events = list[EventType]


class Refused(Exception):
    """A refused command, with its error code; None for a fenced render, which has no code."""

    def __init__(self, code: ErrorCode | None = None) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class JobState:
    """One job. `internal`: our workers render it; `left_draft`: it was started, or canceled before its start.

    `order` holds live and deleted scenes. `composition` is the last complete sequence of clips, as (scene, take),
    and `composition_version` the version at which it was complete.
    """

    id: str
    internal: bool
    title: str = "A job"
    left_draft: bool = False
    status: JobStatus = JobStatus.PENDING
    is_deleted: bool = False
    expired: bool = False
    purged: bool = False
    composition_version: int = 0
    composition: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    order: list[ModelScene] = field(default_factory=list[ModelScene])
    log: Events = field(default_factory=list[EventType])

    @property
    def scenes(self) -> list[ModelScene]:
        """The live scenes, in play order."""
        return [scene for scene in self.order if not scene.deleted]

    @property
    def deleted_scenes(self) -> list[ModelScene]:
        """The deleted scenes, in play order."""
        return [scene for scene in self.order if scene.deleted]

    def is_claimable(self, scene: ModelScene, take: int) -> bool:
        """Whether a ticket for this take can be claimed: the scene is queued, or another worker has it."""
        return scene.take == take and (self.is_queued(scene) or (scene.status is PROCESSING and scene.leased))

    def is_held(self, scene: ModelScene, claim: Claim) -> bool:
        """Whether the claim is current, so that its holder may write."""
        state = (scene.status, scene.take, scene.run)
        return not scene.deleted and state == (PROCESSING, claim.take_number, claim.run)

    def is_queued(self, scene: ModelScene) -> bool:
        """Whether the scene waits for one of our workers."""
        return self.internal and self.left_draft and scene.status is PENDING and not scene.deleted

    def is_adopting(self, scene: ModelScene) -> bool:
        """Whether the clip that an external worker has made is being fetched."""
        return not self.internal and scene.status is PROCESSING and scene.leased

    def count(self, status: SceneStatus) -> int:
        """Return the number of live scenes with this status."""
        return sum(scene.status is status for scene in self.scenes)

    @property
    def can_be_assembled(self) -> bool:
        """Whether our storage has every clip."""
        return all(scene.stored for scene in self.scenes)

    @property
    def retrying(self) -> int:
        """The number of live scenes that wait for an automatic retry."""
        return sum(scene.retry_pending for scene in self.scenes)

    @property
    def stage(self) -> JobStage:
        """The stage that JobProgress shows."""
        match self.status:
            case JobStatus.PENDING:
                return JobStage.WAITING
            case JobStatus.COMPLETED:
                return JobStage.ASSEMBLING if self.can_be_assembled and not self.is_deleted else JobStage.DONE
            case JobStatus.FAILED | JobStatus.CANCELED:
                return JobStage.STOPPED
            case JobStatus.PROCESSING:
                if self.count(PROCESSING):
                    return JobStage.GENERATING
                return JobStage.RETRYING if self.retrying == self.count(PENDING) else JobStage.QUEUED

    def actions(self, scene: ModelScene) -> set[SceneAction]:
        """Return the available actions that a scene shows to its owner."""
        if self.is_deleted:
            return set()
        if scene.deleted:
            return set() if scene.expired else {SceneAction.RESTORE}
        actions = {SceneAction.UPDATE, SceneAction.MOVE}
        actions |= {SceneAction.CANCEL} if scene.status in OPEN else {SceneAction.REGENERATE}
        if scene.status not in OPEN and scene.kept_clips:
            actions.add(SceneAction.SELECT_TAKE)
        return actions if self.status is JobStatus.PROCESSING else actions | {SceneAction.DELETE}

    def transitions(self, scene: ModelScene) -> tuple[SceneStatus, ...]:
        """Return the statuses that updateScene may set."""
        return () if self.is_deleted or scene.deleted else TRANSITIONS[scene.status]

    @property
    def percentage(self) -> float:
        """The progress of the job, not rounded and without a cap."""
        return sum(scene.high_water for scene in self.scenes) / len(self.scenes) if self.scenes else 0.0

    def derived_status(self) -> JobStatus:
        """Derive the status from the scenes."""
        if not self.left_draft:
            return JobStatus.PENDING
        if self.count(PENDING) + self.count(PROCESSING) > 0:
            return JobStatus.PROCESSING
        if self.scenes and self.count(COMPLETED) == len(self.scenes):
            return JobStatus.COMPLETED
        return JobStatus.FAILED if self.count(FAILED) else JobStatus.CANCELED

    def logged(self, events: Events) -> Events:
        """Append the events to the log, and JOB_SETTLED if they settled the job; return what was appended."""
        if not events:
            return []
        before, self.status = self.status, self.derived_status()
        if self.status is not before and self.status not in (JobStatus.PENDING, JobStatus.PROCESSING):
            events = [*events, EventType.JOB_SETTLED]
        self.log += events
        self._compose(before, restored=EventType.JOB_RESTORED in events)
        return events

    def _compose(self, before: JobStatus, *, restored: bool) -> None:
        composition = [(scene.id, scene.take) for scene in self.scenes]
        changed = before is not JobStatus.COMPLETED or composition != self.composition
        if self.status is JobStatus.COMPLETED and (changed or (restored and self.can_be_assembled)):
            self.composition_version = len(self.log)
        self.composition = composition

    def started(self) -> Events:
        """Leave the draft state. Raises Refused for a job without scenes."""
        if not self.scenes:
            raise Refused(ErrorCode.INVALID_TRANSITION)
        self.left_draft = True
        return [EventType.JOB_STARTED]

    def require_not_deleted(self) -> None:
        """Raise Refused for a deleted or purged job."""
        if self.purged:
            raise Refused(ErrorCode.NOT_FOUND)
        if self.is_deleted:
            raise Refused(ErrorCode.ALREADY_DELETED)

    def require_live(self, scene: ModelScene) -> None:
        """Raise Refused for a scene that was deleted, by itself or with its job."""
        if self.is_deleted or scene.deleted:
            raise Refused(ErrorCode.ALREADY_DELETED)

    def require_held(self, scene: ModelScene, claim: Claim) -> None:
        """Raise Refused without a code for a claim that is not current."""
        if not self.is_held(scene, claim):
            raise Refused
