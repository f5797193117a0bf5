"""What the lifecycle says may happen to a job, in the fewest words: the real one is held against it.

A verb answers the events it would log, changes the model, or raises No and then has changed nothing.
"""

from coordinator.commands.inputs import SceneEdit
from coordinator.renders.claims import Claim
from models.domain.errors import ErrorCode
from models.domain.events import EventType
from models.domain.lifecycle import JobStatus
from providers.port import Failure
from tests.any_order.model_facts import Events, JobFacts, No
from tests.any_order.model_scene import CANCELED, COMPLETED, FAILED, OPEN, PENDING, PROCESSING, ModelScene
from tests.support.domain import MAX_ATTEMPTS

REPORTED = {
    PROCESSING: EventType.SCENE_STARTED,
    COMPLETED: EventType.SCENE_COMPLETED,
    FAILED: EventType.SCENE_FAILED,
    CANCELED: EventType.SCENE_CANCELED,
}


class ModelJob(JobFacts):
    """What may be done to it."""

    def created(self, *, start: bool) -> Events:
        """Be made, with all its scenes."""
        return self.logged([EventType.JOB_CREATED, *(self.begins() if start else [])])

    def start(self) -> Events:
        """Dispatch what is pending."""
        self.must_be_here()
        if self.status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED):
            raise No(ErrorCode.INVALID_TRANSITION)
        return self.logged([] if self.begun else self.begins())

    def cancel(self) -> Events:
        """Stop everything that is open."""
        self.must_be_here()
        if self.status in (JobStatus.COMPLETED, JobStatus.FAILED):
            raise No(ErrorCode.INVALID_TRANSITION)
        if self.status is JobStatus.CANCELED:
            return []
        self.begun = True
        stopped = [scene for scene in self.scenes if scene.status in OPEN]
        for scene in stopped:
            scene.close(CANCELED)
        return self.logged([EventType.JOB_CANCELED, *[EventType.SCENE_CANCELED] * len(stopped)])

    def rename(self, title: str) -> Events:
        """Be called something else."""
        self.must_be_here()
        differs, self.title = title != self.title, title
        return self.logged([EventType.JOB_UPDATED] if differs else [])

    def add(self, scene: ModelScene, position: int | None) -> Events:
        """Get one more scene, at the end unless told otherwise."""
        self.must_be_here()
        place = len(self.scenes) if position is None else position
        if not 0 <= place <= len(self.scenes):
            raise No(ErrorCode.VALIDATION_FAILED)
        at_the_end = place == len(self.scenes)
        self.order.insert(len(self.order) if at_the_end else self.order.index(self.scenes[place]), scene)
        return self.logged([EventType.SCENE_ADDED])

    def report(self, scene: ModelScene, edit: SceneEdit) -> Events:
        """Be edited or reported on by updateScene."""
        self.must_live(scene)
        was, wanted, percentage = scene.status, edit.get("status") or scene.status, edit.get("percentage")
        title, provider_id = edit.get("title", scene.title), edit.get("provider_id", scene.provider_id)
        moves, open_before = wanted is not was, was in OPEN
        if moves and (not open_before or wanted is PENDING):
            raise No(ErrorCode.INVALID_TRANSITION)
        if provider_id != scene.provider_id and not open_before:
            raise No(ErrorCode.VALIDATION_FAILED)
        if (
            percentage is not None
            and open_before
            and wanted is not PROCESSING
            and (wanted, percentage) != (COMPLETED, 100)
        ):
            raise No(ErrorCode.VALIDATION_FAILED)
        events = self.begins() if moves and not self.begun else []
        if moves:
            events.append(REPORTED[wanted])
            scene.reported(wanted)
        elif (title, provider_id) != (scene.title, scene.provider_id):
            events.append(EventType.SCENE_UPDATED)
        scene.title, scene.provider_id = title, provider_id
        if percentage is not None and scene.status is PROCESSING:
            scene.advance(percentage)
        return self.logged(events)

    def regenerate(self, scene: ModelScene) -> Events:
        """Render a finished scene anew."""
        self.must_live(scene)
        if scene.status in OPEN:
            raise No(ErrorCode.NOT_REGENERABLE)
        scene.retake()
        scene.reached, scene.failed_with = 0.0, None
        scene.most_attempts = scene.attempts + MAX_ATTEMPTS
        return self.logged([EventType.SCENE_REGENERATED])

    def cancel_scene(self, scene: ModelScene) -> Events:
        """Stop one scene."""
        self.must_live(scene)
        if scene.status is CANCELED:
            return []
        if scene.status not in OPEN:
            raise No(ErrorCode.INVALID_TRANSITION)
        scene.close(CANCELED)
        return self.logged([EventType.SCENE_CANCELED])

    def delete(self, scene: ModelScene) -> Events:
        """Lose a scene."""
        self.must_live(scene)
        if self.status is JobStatus.PROCESSING:
            raise No(ErrorCode.JOB_PROCESSING)
        scene.deleted = True
        return self.logged([EventType.SCENE_DELETED])

    def restore(self, scene: ModelScene) -> Events:
        """Have a scene again, where it was."""
        self.must_be_here()
        if not scene.deleted:
            raise No(ErrorCode.NOT_DELETED)
        if scene.expired:
            raise No(ErrorCode.RECOVERY_EXPIRED)
        scene.deleted = False
        return self.logged([EventType.SCENE_RESTORED])

    def select(self, scene: ModelScene, take: int) -> Events:
        """Show an earlier take of a scene."""
        self.must_live(scene)
        shown = take == scene.take and scene.status is COMPLETED
        if scene.status in OPEN or not (shown or take in scene.clips):
            raise No(ErrorCode.INVALID_TRANSITION)
        if shown:
            return []
        scene.select(take)
        return self.logged([EventType.SCENE_TAKE_SELECTED])

    def put_away(self) -> Events:
        """Be deleted as a whole."""
        self.must_be_here()
        if self.status is JobStatus.PROCESSING:
            raise No(ErrorCode.JOB_PROCESSING)
        self.gone = True
        return self.logged([EventType.JOB_DELETED])

    def bring_back(self) -> Events:
        """Be there again."""
        if not self.gone:
            raise No(ErrorCode.NOT_DELETED)
        if self.expired:
            raise No(ErrorCode.RECOVERY_EXPIRED)
        self.gone = False
        return self.logged([EventType.JOB_RESTORED])

    def move(self, scene: ModelScene, position: int) -> Events:
        """Show a scene at another place."""
        self.must_live(scene)
        if not 0 <= position < len(self.scenes):
            raise No(ErrorCode.VALIDATION_FAILED)
        wanted = [each for each in self.scenes if each is not scene]
        wanted.insert(position, scene)
        return self.reorder(wanted)

    def reorder(self, wanted: list[ModelScene]) -> Events:
        """Show all scenes in another order; the deleted ones stay where they are."""
        self.must_be_here()
        if len(wanted) != len(self.scenes):
            raise No(ErrorCode.INCOMPLETE_ORDER)
        if wanted == self.scenes:
            return []
        live = iter(wanted)
        self.order = [scene if scene.deleted else next(live) for scene in self.order]
        return self.logged([EventType.SCENES_REORDERED])

    def claim(self, scene: ModelScene) -> Events:
        """Be taken by a worker of ours."""
        scene.run += 1
        if scene.status is PROCESSING:
            return []
        scene.status, scene.ours, scene.started, scene.retry = PROCESSING, True, True, False
        scene.attempts += 1
        scene.failed_with = None
        return self.logged([EventType.SCENE_STARTED])

    def alive(self, scene: ModelScene, held: Claim) -> Events:
        """The render goes on, which is not logged."""
        self.must_own(scene, held)
        return []

    def submitted(self, scene: ModelScene, held: Claim, provider_id: str) -> Events:
        """The provider has a name for it."""
        self.must_be_here()
        if scene.purged:
            raise No(ErrorCode.SCENE_NOT_IN_JOB)
        self.must_own(scene, held)
        differs, scene.provider_id = provider_id != scene.provider_id, provider_id
        return self.logged([EventType.SCENE_UPDATED] if differs else [])

    def advanced(self, scene: ModelScene, held: Claim, percentage: float) -> Events:
        """The render got on, which is not logged."""
        self.must_own(scene, held)
        scene.advance(percentage)
        return []

    def completed(self, scene: ModelScene, held: Claim) -> Events:
        """The clip is there."""
        self.must_be_here()
        if scene.purged:
            raise No(ErrorCode.SCENE_NOT_IN_JOB)
        self.must_own(scene, held)
        scene.here = True
        scene.close(COMPLETED)
        return self.logged([EventType.SCENE_COMPLETED])

    def failed(self, scene: ModelScene, held: Claim, failure: Failure, *, later: bool) -> Events:
        """The take failed; perhaps another one follows."""
        self.must_be_here()
        if scene.purged:
            raise No(ErrorCode.SCENE_NOT_IN_JOB)
        self.must_own(scene, held)
        scene.failed_with = failure.code
        if not failure.retryable or scene.attempts >= scene.most_attempts:
            scene.close(FAILED)
            return self.logged([EventType.SCENE_FAILED])
        scene.retake()
        scene.retry, scene.far = True, later
        return self.logged([EventType.SCENE_RETRYING])

    def purge(self) -> None:
        """Be removed, with all there was."""
        self.purged = True
        for scene in self.order:
            scene.deleted = scene.purged = True

    def purge_scenes(self) -> None:
        """Have the scenes that can no longer be restored removed."""
        for scene in self.deleted:
            scene.purged = scene.expired
        self.order = [scene for scene in self.order if not scene.purged]
