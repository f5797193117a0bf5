"""Events around the commands: restarts, retries of requests, recovery windows that end, purges."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from coordinator.renders.silent_takes import SilentTakes
from coordinator.storage import purge
from models.db.tables import JOB, SCENE
from models.domain.errors import ErrorCode
from models.domain.lifecycle import SceneStatus
from tests.any_order import api
from tests.any_order.harness import KeyedRequest
from tests.any_order.model_scene import OPEN, ModelScene
from tests.any_order.model_state import Events, Refused
from tests.any_order.render_rules import PICKS, USUALLY, RenderRules
from tests.any_order.trace import recorded

EVENTS = st.sampled_from(["restart", "complete", "complete", "retry", "retry", "expire", "silent"])
DEADLINE = timedelta(days=1)


class SideEvents(RenderRules):
    """One rule for all of them."""

    @rule(event=EVENTS, pick=PICKS, valid=USUALLY)
    @recorded
    def side_event(self, event: str, pick: int = 0, valid: bool = True) -> None:
        match event:
            case "restart":
                if self.rows != self.rows_at_restart:
                    self.restart()
            case "complete":
                self.complete_job(pick)
            case "silent":
                self.let_be_silent(pick)
            case "retry" if self.keyed_requests:
                self.retry(self.keyed_requests[pick % len(self.keyed_requests)], same=valid)
            case _:
                self.expire(pick, purged=valid)

    def retry(self, request: KeyedRequest, *, same: bool) -> None:
        """A retry with the same key changes nothing; another request with that key is a conflict."""
        job, mutation, fields, scene_id = request
        if same and scene_id in self.purged_scenes:
            result = self.outcome(lambda: api.mutate(self.env.container, mutation, fields))
            assert isinstance(result, Refused), result
            assert result.code is ErrorCode.NOT_FOUND
        elif same:
            payload = self.runner.run(api.mutate(self.env.container, mutation, fields))
            assert payload["job"] == api.payload_job(payload["job"], self.checks.last[job.id])
        else:
            other = "startJob" if mutation != "startJob" else "cancelJob"
            conflicting = {"jobId": job.id, "idempotencyKey": fields["idempotencyKey"]}
            result = self.outcome(lambda: api.mutate(self.env.container, other, conflicting))
            assert isinstance(result, Refused), result
            assert result.code is ErrorCode.IDEMPOTENCY_CONFLICT
        assert self.env.rows() == self.rows

    def complete_job(self, pick: int) -> None:
        """Report every open scene of a job as completed: by random reports few jobs would ever complete."""
        unfinished = [
            job for job in self.jobs if not job.is_deleted and any(scene.status in OPEN for scene in job.scenes)
        ]
        if not unfinished:
            return
        job = unfinished[pick % len(unfinished)]
        for scene in [scene for scene in job.scenes if scene.status in OPEN]:
            fields = {"sceneId": scene.id, "status": SceneStatus.COMPLETED}

            def model(scene: ModelScene = scene) -> Events:
                return job.update_scene(scene, {"status": SceneStatus.COMPLETED})

            self.mutate(job, model, "updateScene", fields)

    def let_be_silent(self, pick: int) -> None:
        """Let no worker report on a take for longer than the deadline."""
        scenes = [(job, scene) for job in self.jobs for scene in job.order if not job.internal and scene.status in OPEN]
        if not scenes:
            return
        job, scene = scenes[pick % len(scenes)]
        self.runner.run(self.env.silence(scene.id, 2 * DEADLINE))
        self.rows = self.env.rows()
        silent = SilentTakes(self.env.container.store, DEADLINE)
        logged = len(job.log)
        failed = self.run(job, lambda: job.silent(scene), silent.fail)
        assert failed == int(len(job.log) > logged)

    def expire(self, pick: int, *, purged: bool) -> None:
        """End the recovery window of something deleted, and perhaps run the purge."""
        deleted = [(job, scene) for job in self.jobs for scene in job.deleted_scenes]
        deleted += [(job, None) for job in self.jobs if job.is_deleted]
        if not deleted:
            return
        job, scene = deleted[pick % len(deleted)]
        table, expired = (JOB, job) if scene is None else (SCENE, scene)
        expired.expired = True
        self.runner.run(self.env.expire(table, expired.id))
        if scene is not None:
            self.checks.expect_expiry(scene.id)
        if purged:
            container = self.env.container
            self.runner.run(purge.purge(container.store, container.media, container.bus))
            self.forget_purged()
        self.rows = self.env.rows()
        for each in self.jobs:
            self.check_job(each, len(each.log))

    def forget_purged(self) -> None:
        """Remove from the model what the purge removed."""
        for job in [job for job in self.jobs if job.expired]:
            job.purge()
            self.jobs.remove(job)
        self.keyed_requests = [request for request in self.keyed_requests if not request.job.purged]
        for job in self.jobs:
            self.purged_scenes |= {scene.id for scene in job.deleted_scenes if scene.expired}
            job.purge_scenes()
            self.checks.expect_gaps_closed(job)
