"""What the lifecycle says may happen to a job, in the fewest words: the real one is held against it.

A verb answers the events it would log, changes the model, or raises No and then has changed nothing.
"""

from dataclasses import dataclass, field

from models.errors import ErrorCode
from models.events import EventType
from models.lifecycle import JobStatus, SceneStatus
from tests.stores import MAX_ATTEMPTS

PENDING, PROCESSING, COMPLETED, FAILED, CANCELED = SceneStatus
OPEN = (PENDING, PROCESSING)

Events = list[EventType]


class No(Exception):
    """Refused, with the code that a client sees; None when a render was fenced off, which no client sees."""

    def __init__(self, code: ErrorCode | None = None) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class ModelScene:
    """One scene. `reached` is the furthest any take got since the last regenerate, `ours` that our worker has it."""

    id: str
    title: str | None = None
    status: SceneStatus = PENDING
    take: int = 1
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
    retry_later: bool = False
    deleted: bool = False

    def close(self, status: SceneStatus) -> None:
        """Nothing renders it any more."""
        self.status, self.percentage, self.ours, self.retry = status, None, False, False
        if status is COMPLETED:
            self.reached = 100.0

    def advance(self, percentage: float) -> None:
        """Get on, and never back."""
        self.percentage = max(percentage, self.percentage or 0.0)
        self.reached = max(percentage, self.reached)

    def retake(self) -> None:
        """Wait for another take."""
        self.status, self.take, self.started, self.ours = PENDING, self.take + 1, False, False
        self.percentage = self.provider_id = None


@dataclass
class ModelJob:
    """One job. `ours` says that our own workers render it, `begun` that it was started, or canceled before that."""

    id: str
    ours: bool
    begun: bool = False
    status: JobStatus = JobStatus.PENDING
    scenes: list[ModelScene] = field(default_factory=list[ModelScene])
    deleted: list[ModelScene] = field(default_factory=list[ModelScene])
    log: Events = field(default_factory=list[EventType])

    def created(self, *, start: bool) -> Events:
        """Be made, with all its scenes."""
        return self.logged([EventType.JOB_CREATED, *(self._begun() if start else [])])

    def start(self) -> Events:
        """Dispatch what is pending."""
        if self.status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED):
            raise No(ErrorCode.INVALID_TRANSITION)
        return self.logged([] if self.begun else self._begun())

    def cancel(self) -> Events:
        """Stop everything that is open."""
        if self.status in (JobStatus.COMPLETED, JobStatus.FAILED):
            raise No(ErrorCode.INVALID_TRANSITION)
        if self.status is JobStatus.CANCELED:
            return []
        self.begun = True
        stopped = [scene for scene in self.scenes if scene.status in OPEN]
        for scene in stopped:
            scene.close(CANCELED)
        return self.logged([EventType.JOB_CANCELED, *[EventType.SCENE_CANCELED] * len(stopped)])

    def may_add(self, position: int) -> None:
        """Whether a scene may be put there."""
        if not 0 <= position <= len(self.scenes):
            raise No(ErrorCode.VALIDATION_FAILED)

    def add(self, scene: ModelScene, position: int) -> Events:
        """Get one more scene."""
        self.scenes.insert(position, scene)
        return self.logged([EventType.SCENE_ADDED])

    def report(
        self,
        scene: ModelScene,
        *,
        status: SceneStatus | None,
        title: str | None,
        provider_id: str | None,
        percentage: float | None,
    ) -> Events:
        """Be edited or reported on by updateScene."""
        self._must_live(scene)
        wanted, was = status or scene.status, scene.status
        if wanted is not was and (was not in OPEN or wanted is PENDING):
            raise No(ErrorCode.INVALID_TRANSITION)
        if provider_id is not None and was not in OPEN and provider_id != scene.provider_id:
            raise No(ErrorCode.VALIDATION_FAILED)
        if percentage is not None and was in OPEN and wanted is not PROCESSING:
            raise No(ErrorCode.VALIDATION_FAILED)
        begun = [] if self.begun or wanted is was else self._begun()
        differs = (title is not None and title != scene.title) or (
            provider_id is not None and provider_id != scene.provider_id
        )
        scene.title = scene.title if title is None else title
        scene.provider_id = scene.provider_id if provider_id is None else provider_id
        if wanted is not was:
            self._reported(scene, wanted)
        if percentage is not None and scene.status is PROCESSING:
            scene.advance(percentage)
        told = {PENDING: [], PROCESSING: [EventType.SCENE_STARTED], COMPLETED: [EventType.SCENE_COMPLETED]}
        told |= {FAILED: [EventType.SCENE_FAILED], CANCELED: [EventType.SCENE_CANCELED]}
        edited = [EventType.SCENE_UPDATED] if differs else []
        return self.logged([*begun, *(told[wanted] if wanted is not was else edited)])

    def regenerate(self, scene: ModelScene) -> Events:
        """Render a finished scene anew."""
        self._must_live(scene)
        if scene.status in OPEN:
            raise No(ErrorCode.NOT_REGENERABLE)
        scene.retake()
        scene.reached, scene.failed_with = 0.0, None
        scene.most_attempts = scene.attempts + MAX_ATTEMPTS
        return self.logged([EventType.SCENE_REGENERATED])

    def cancel_scene(self, scene: ModelScene) -> Events:
        """Stop one scene."""
        self._must_live(scene)
        if scene.status is CANCELED:
            return []
        if scene.status not in OPEN:
            raise No(ErrorCode.INVALID_TRANSITION)
        scene.close(CANCELED)
        return self.logged([EventType.SCENE_CANCELED])

    def delete(self, scene: ModelScene) -> Events:
        """Lose a scene."""
        self._must_live(scene)
        if self.status is JobStatus.PROCESSING:
            raise No(ErrorCode.JOB_PROCESSING)
        scene.deleted = True
        self.scenes.remove(scene)
        self.deleted.append(scene)
        return self.logged([EventType.SCENE_DELETED])

    def move(self, scene: ModelScene, position: int) -> Events:
        """Show a scene at another place."""
        self._must_live(scene)
        if not 0 <= position < len(self.scenes):
            raise No(ErrorCode.VALIDATION_FAILED)
        if self.scenes.index(scene) == position:
            return []
        self.scenes.remove(scene)
        self.scenes.insert(position, scene)
        return self.logged([EventType.SCENES_REORDERED])

    def claim(self, scene: ModelScene, take: int) -> Events | None:
        """Be taken by a worker of ours; None when the ticket is no longer good for anything."""
        if scene.take != take or scene.deleted:
            return None
        if scene.status is PROCESSING and scene.ours:
            scene.run += 1
            return []
        if scene.status is not PENDING or not self.waits(scene):
            return None
        scene.status, scene.ours, scene.started, scene.retry = PROCESSING, True, True, False
        scene.run += 1
        scene.attempts += 1
        scene.failed_with = None
        return self.logged([EventType.SCENE_STARTED])

    def submitted(self, scene: ModelScene, take: int, run: int, provider_id: str) -> Events:
        """The provider has a name for it."""
        self._must_own(scene, take, run)
        scene.provider_id = provider_id
        return self.logged([EventType.SCENE_UPDATED])

    def advanced(self, scene: ModelScene, take: int, run: int, percentage: float) -> None:
        """The render got on."""
        self._must_own(scene, take, run)
        scene.advance(percentage)

    def completed(self, scene: ModelScene, take: int, run: int) -> Events:
        """The clip is there."""
        self._must_own(scene, take, run)
        scene.close(COMPLETED)
        return self.logged([EventType.SCENE_COMPLETED])

    def failed(self, scene: ModelScene, take: int, run: int, *, code: str, retryable: bool, later: bool) -> Events:
        """The take failed; perhaps another one follows."""
        self._must_own(scene, take, run)
        scene.failed_with = code
        if not retryable or scene.attempts >= scene.most_attempts:
            scene.close(FAILED)
            return self.logged([EventType.SCENE_FAILED])
        scene.retake()
        scene.retry, scene.retry_later = True, later
        return self.logged([EventType.SCENE_RETRYING])

    def waits(self, scene: ModelScene) -> bool:
        """Whether it waits for a worker of ours."""
        return self.ours and self.begun and scene.status is PENDING and not scene.deleted

    def count(self, status: SceneStatus) -> int:
        """How many live scenes stand there."""
        return sum(scene.status is status for scene in self.scenes)

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
        return events

    def _begun(self) -> Events:
        if not self.scenes:
            raise No(ErrorCode.INVALID_TRANSITION)
        self.begun = True
        return [EventType.JOB_STARTED]

    def _reported(self, scene: ModelScene, wanted: SceneStatus) -> None:
        if wanted is CANCELED:
            scene.close(CANCELED)
            return
        if not scene.started:
            scene.started = True
            scene.attempts += 1
        scene.failed_with = "REPORTED_FAILURE" if wanted is FAILED else None
        if wanted is PROCESSING:
            scene.status, scene.retry = PROCESSING, False
        else:
            scene.close(wanted)

    def _must_live(self, scene: ModelScene) -> None:
        if scene.deleted:
            raise No(ErrorCode.ALREADY_DELETED)

    def _must_own(self, scene: ModelScene, take: int, run: int) -> None:
        if scene.deleted or (scene.status, scene.take, scene.run) != (PROCESSING, take, run):
            raise No
