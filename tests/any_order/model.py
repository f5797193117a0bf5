"""The model of one job: what each command does, according to the documented lifecycle.

A command returns the events that it logs and changes the model, or raises Refused and changes nothing.
"""

from coordinator.commands.inputs import SceneEdit
from coordinator.renders.claim import Claim
from models.domain.errors import ErrorCode
from models.domain.events import EventType
from models.domain.lifecycle import JobStatus
from providers.port import Failure
from tests.any_order.model_scene import CANCELED, COMPLETED, FAILED, OPEN, PENDING, PROCESSING, ModelScene
from tests.any_order.model_state import Events, JobState, Refused
from tests.support.domain import MAX_ATTEMPTS

REPORT_EVENTS = {
    PROCESSING: EventType.SCENE_STARTED,
    COMPLETED: EventType.SCENE_COMPLETED,
    FAILED: EventType.SCENE_FAILED,
    CANCELED: EventType.SCENE_CANCELED,
}


class ModelJob(JobState):
    """The commands of a job, in three groups: of the owner, of an external worker, of our own workers."""

    def create(self, *, start: bool) -> Events:
        """Create the job with all its scenes."""
        return self.logged([EventType.JOB_CREATED, *(self.started() if start else [])])

    def start(self) -> Events:
        """Queue the pending scenes."""
        self.require_not_deleted()
        if self.status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED):
            raise Refused(ErrorCode.INVALID_TRANSITION)
        return self.logged([] if self.left_draft else self.started())

    def cancel(self) -> Events:
        """Cancel every open scene."""
        self.require_not_deleted()
        if self.status in (JobStatus.COMPLETED, JobStatus.FAILED):
            raise Refused(ErrorCode.INVALID_TRANSITION)
        if self.status is JobStatus.CANCELED:
            return []
        self.left_draft = True
        canceled = [scene for scene in self.scenes if scene.status in OPEN]
        for scene in canceled:
            scene.finish(CANCELED)
        return self.logged([EventType.JOB_CANCELED, *[EventType.SCENE_CANCELED] * len(canceled)])

    def rename(self, title: str) -> Events:
        """Change the title."""
        self.require_not_deleted()
        changed, self.title = title != self.title, title
        return self.logged([EventType.JOB_UPDATED] if changed else [])

    def add_scene(self, scene: ModelScene, position: int | None) -> Events:
        """Add a scene, by default at the end."""
        self.require_not_deleted()
        index = len(self.scenes) if position is None else position
        if not 0 <= index <= len(self.scenes):
            raise Refused(ErrorCode.VALIDATION_FAILED)
        at_the_end = index == len(self.scenes)
        self.order.insert(len(self.order) if at_the_end else self.order.index(self.scenes[index]), scene)
        return self.logged([EventType.SCENE_ADDED])

    def delete(self) -> Events:
        """Delete the job."""
        self.require_not_deleted()
        if self.status is JobStatus.PROCESSING:
            raise Refused(ErrorCode.JOB_PROCESSING)
        self.is_deleted = True
        return self.logged([EventType.JOB_DELETED])

    def restore(self) -> Events:
        """Restore the deleted job."""
        if not self.is_deleted:
            raise Refused(ErrorCode.NOT_DELETED)
        if self.expired:
            raise Refused(ErrorCode.RECOVERY_EXPIRED)
        self.is_deleted = False
        return self.logged([EventType.JOB_RESTORED])

    def reorder(self, scenes: list[ModelScene]) -> Events:
        """Put the live scenes into this order; deleted scenes keep their position."""
        self.require_not_deleted()
        if len(scenes) != len(self.scenes):
            raise Refused(ErrorCode.INCOMPLETE_ORDER)
        if scenes == self.scenes:
            return []
        live = iter(scenes)
        self.order = [scene if scene.deleted else next(live) for scene in self.order]
        return self.logged([EventType.SCENES_REORDERED])

    def regenerate(self, scene: ModelScene) -> Events:
        """Queue another take of a finished scene."""
        self.require_live(scene)
        if scene.status in OPEN:
            raise Refused(ErrorCode.NOT_REGENERABLE)
        scene.start_new_take()
        scene.high_water, scene.failure_code = 0.0, None
        scene.max_attempts = scene.attempts + MAX_ATTEMPTS
        return self.logged([EventType.SCENE_REGENERATED])

    def cancel_scene(self, scene: ModelScene) -> Events:
        """Cancel one scene."""
        self.require_live(scene)
        if scene.status is CANCELED:
            return []
        if scene.status not in OPEN:
            raise Refused(ErrorCode.INVALID_TRANSITION)
        scene.finish(CANCELED)
        return self.logged([EventType.SCENE_CANCELED])

    def delete_scene(self, scene: ModelScene) -> Events:
        """Delete a scene; it keeps its position for a restore."""
        self.require_live(scene)
        if self.status is JobStatus.PROCESSING:
            raise Refused(ErrorCode.JOB_PROCESSING)
        scene.deleted = True
        return self.logged([EventType.SCENE_DELETED])

    def restore_scene(self, scene: ModelScene) -> Events:
        """Restore a deleted scene at its position."""
        self.require_not_deleted()
        if not scene.deleted:
            raise Refused(ErrorCode.NOT_DELETED)
        if scene.expired:
            raise Refused(ErrorCode.RECOVERY_EXPIRED)
        scene.deleted = False
        return self.logged([EventType.SCENE_RESTORED])

    def move_scene(self, scene: ModelScene, position: int) -> Events:
        """Move a scene to another position."""
        self.require_live(scene)
        if not 0 <= position < len(self.scenes):
            raise Refused(ErrorCode.VALIDATION_FAILED)
        scenes = [each for each in self.scenes if each is not scene]
        scenes.insert(position, scene)
        return self.reorder(scenes)

    def select_take(self, scene: ModelScene, take: int) -> Events:
        """Show an earlier take."""
        self.require_live(scene)
        is_shown = take == scene.take and scene.status is COMPLETED
        if scene.status in OPEN or not (is_shown or take in scene.kept_clips):
            raise Refused(ErrorCode.INVALID_TRANSITION)
        if is_shown:
            return []
        scene.select(take)
        return self.logged([EventType.SCENE_TAKE_SELECTED])

    def update_scene(self, scene: ModelScene, edit: SceneEdit) -> Events:
        """Apply updateScene: an edit by the owner, or a report by an external worker."""
        self.require_live(scene)
        before, status, percentage = scene.status, edit.get("status") or scene.status, edit.get("percentage")
        title, provider_id = edit.get("title", scene.title), edit.get("provider_id", scene.provider_id)
        moves, was_open = status is not before, before in OPEN
        number = edit.get("take_number")
        if number not in (None, scene.take):
            raise Refused(ErrorCode.STALE_TAKE)
        if provider_id != scene.provider_id:
            is_rendered = before is PROCESSING or (was_open and moves)
            if (number is None and provider_id in scene.other_ids.values()) or (scene.provider_id and is_rendered):
                raise Refused(ErrorCode.STALE_TAKE)
        if moves and (not was_open or status is PENDING):
            raise Refused(ErrorCode.INVALID_TRANSITION)
        if provider_id != scene.provider_id and not was_open:
            raise Refused(ErrorCode.VALIDATION_FAILED)
        may_advance = status is PROCESSING or (status, percentage) == (COMPLETED, 100)
        if percentage is not None and was_open and not may_advance:
            raise Refused(ErrorCode.VALIDATION_FAILED)
        adopting = self.is_adopting(scene)
        if adopting and status is COMPLETED:
            # It will be, when the clip is here.
            status, moves = PROCESSING, False
        events = self.started() if moves and not self.left_draft else []
        if moves:
            events.append(REPORT_EVENTS[status])
            scene.report_status(status)
        elif (title, provider_id) != (scene.title, scene.provider_id):
            events.append(EventType.SCENE_UPDATED)
        scene.title, scene.provider_id = title, provider_id
        if percentage is not None and scene.status is PROCESSING and not adopting:
            scene.advance(percentage)
        return self.logged(events)

    def deliver(self, scene: ModelScene) -> Events:
        """Apply the report that the clip is completed and to be fetched from an address, always the same."""
        self.require_live(scene)
        if scene.status not in (*OPEN, COMPLETED):
            raise Refused(ErrorCode.INVALID_TRANSITION)
        if self.internal or (scene.status is COMPLETED and not scene.adopted):
            raise Refused(ErrorCode.VALIDATION_FAILED)
        if scene.status is COMPLETED or self.is_adopting(scene):
            return []
        events = [] if self.left_draft else self.started()
        events.append(EventType.SCENE_STARTED if scene.status is PENDING else EventType.SCENE_UPDATED)
        if scene.status is PENDING:
            scene.report_status(PROCESSING)
        scene.begin_adoption()
        return self.logged(events)

    def silent(self, scene: ModelScene) -> Events:
        """End the take, if an external worker has it or is to take it up: the last report is too long ago."""
        is_open = scene.status in OPEN and not scene.leased and not scene.deleted
        if self.internal or self.is_deleted or not self.left_draft or not is_open:
            return []
        scene.attempts += not scene.started
        scene.failure_code = "TIMEOUT"
        return self._retry_or_fail(scene, retryable=True, backoff_is_long=False)

    def claim(self, scene: ModelScene) -> Events:
        """Lease a claimable scene to one of our workers; a takeover starts another run and logs nothing."""
        scene.run += 1
        if scene.status is PROCESSING:
            return []
        scene.status, scene.leased, scene.started, scene.retry_pending = PROCESSING, True, True, False
        scene.attempts += 1
        scene.failure_code = None
        return self.logged([EventType.SCENE_STARTED])

    def heartbeat(self, scene: ModelScene, claim: Claim) -> Events:
        """Extend the lease, which is not logged."""
        self.require_held(scene, claim)
        return []

    def submitted(self, scene: ModelScene, claim: Claim, provider_id: str) -> Events:
        """Record the provider's id of the render."""
        self._require_claim(scene, claim)
        changed, scene.provider_id = provider_id != scene.provider_id, provider_id
        return self.logged([EventType.SCENE_UPDATED] if changed else [])

    def advanced(self, scene: ModelScene, claim: Claim, percentage: float) -> Events:
        """Record progress, which is not logged."""
        self.require_held(scene, claim)
        scene.advance(percentage)
        return []

    def completed(self, scene: ModelScene, claim: Claim) -> Events:
        """Record the clip."""
        self._require_claim(scene, claim)
        scene.stored, scene.adopted, scene.linked = True, claim.source_url is not None, False
        scene.finish(COMPLETED)
        return self.logged([EventType.SCENE_COMPLETED])

    def failed(self, scene: ModelScene, claim: Claim, failure: Failure, *, backoff_is_long: bool) -> Events:
        """Record the failure; queue a retry if the failure is retryable and attempts are left."""
        self._require_claim(scene, claim)
        scene.failure_code, scene.linked = failure.code, False
        # Another take of an adopted clip would have to be rendered again, and paid.
        retryable = failure.retryable and claim.source_url is None
        return self._retry_or_fail(scene, retryable=retryable, backoff_is_long=backoff_is_long)

    def _retry_or_fail(self, scene: ModelScene, *, retryable: bool, backoff_is_long: bool) -> Events:
        if not retryable or scene.attempts >= scene.max_attempts:
            scene.finish(FAILED)
            return self.logged([EventType.SCENE_FAILED])
        scene.start_new_take()
        scene.retry_pending, scene.backoff_is_long = True, backoff_is_long
        return self.logged([EventType.SCENE_RETRYING])

    def purge(self) -> None:
        """Remove the job and all its scenes."""
        self.purged = True
        for scene in self.order:
            scene.deleted = scene.purged = True

    def purge_scenes(self) -> None:
        """Remove the scenes whose recovery window is over."""
        for scene in self.deleted_scenes:
            scene.purged = scene.expired
        self.order = [scene for scene in self.order if not scene.purged]

    def _require_claim(self, scene: ModelScene, claim: Claim) -> None:
        """Raise Refused for a deleted job, a purged scene, or a claim that is not current."""
        self.require_not_deleted()
        if scene.purged:
            raise Refused(ErrorCode.SCENE_NOT_IN_JOB)
        self.require_held(scene, claim)
