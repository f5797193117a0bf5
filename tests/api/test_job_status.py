"""The status of a job is derived from its scenes."""

import pytest

from tests.support import jobs
from tests.support.factories import a_job, a_job_of, accepted, report
from tests.support.job_status import ENDED, is_utc_instant, job_status
from tests.support.queries import log
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.both_databases
class TestJobStatus:
    """The status of a job is derived from its scenes."""

    @pytest.mark.parametrize(
        ("scenes", "derived"),
        [
            (["COMPLETED", "COMPLETED"], "COMPLETED"),
            (["COMPLETED", "FAILED"], "FAILED"),
            (["CANCELED", "FAILED"], "FAILED"),
            (["COMPLETED", "CANCELED"], "CANCELED"),
            (["CANCELED", "CANCELED"], "CANCELED"),
            (["COMPLETED", "PENDING"], "PROCESSING"),
            (["FAILED", "PROCESSING"], "PROCESSING"),
            (["PENDING", "PENDING"], "PENDING"),
        ],
        ids=" ".join,
    )
    async def test_status_of_a_job_follows_its_scenes(self, shared: App, scenes: list[str], derived: str) -> None:
        """A settled job has `finishedAt` and a JOB_SETTLED event."""
        made = await a_job_of(shared, *scenes)
        job = await jobs.job(shared, made.id, "status finishedAt")
        settled = derived in ENDED
        assert job["status"] == derived
        assert (job["finishedAt"] is not None) == settled
        kinds = [kind for kind, _ in await log(shared, made.id)]
        assert kinds.count("JOB_SETTLED") == settled
        assert (kinds[-1] == "JOB_SETTLED") == settled

    async def test_report_on_a_scene_starts_its_job(self, shared: App) -> None:
        """The start of the job is recorded before that of the scene."""
        made = await a_job(shared, "One", "Two")
        await report(shared, made.scenes[1], "PROCESSING")
        job = await jobs.job(shared, made.id, "status startedAt version")
        assert is_utc_instant(job.pop("startedAt"))
        assert job == {"status": "PROCESSING", "version": 3}
        assert await log(shared, made.id, after=1) == [("JOB_STARTED", None), ("SCENE_STARTED", made.scenes[1])]

    async def test_edit_of_a_scene_does_not_start_its_job(self, shared: App) -> None:
        """Only a new status does."""
        made = await a_job(shared, "One")
        await accepted(shared, "updateScene", sceneId=made.scenes[0], prompt="Two", providerId="x", status="PENDING")
        assert await job_status(shared, made.id) == "PENDING"

    @pytest.mark.parametrize("ended", ENDED)
    async def test_regenerate_reopens_a_settled_job(self, shared: App, ended: str) -> None:
        """`finishedAt` is cleared; the job settles a second time."""
        made = await a_job_of(shared, ended)
        started = (await jobs.job(shared, made.id, "startedAt"))["startedAt"]
        await accepted(shared, "regenerateScene", sceneId=made.scenes[0])
        assert await jobs.job(shared, made.id, "status startedAt finishedAt") == {
            "status": "PROCESSING",
            "startedAt": started,
            "finishedAt": None,
        }
        await report(shared, made.scenes[0], "COMPLETED")
        assert await job_status(shared, made.id) == "COMPLETED"
        kinds = [kind for kind, _ in await log(shared, made.id)]
        assert kinds[-3:] == ["SCENE_REGENERATED", "SCENE_COMPLETED", "JOB_SETTLED"]

    async def test_delete_of_the_failed_scene_completes_the_job(self, shared: App) -> None:
        """The job settles a second time."""
        made = await a_job_of(shared, "COMPLETED", "FAILED")
        assert await job_status(shared, made.id) == "FAILED"
        payload = await accepted(
            shared, "deleteScene", "job { status progress { total percentage } }", sceneId=made.scenes[1]
        )
        assert payload["job"] == {"status": "COMPLETED", "progress": {"total": 1, "percentage": 100.0}}
        assert (await log(shared, made.id))[-2:] == [("SCENE_DELETED", made.scenes[1]), ("JOB_SETTLED", None)]

    async def test_delete_of_the_last_scene_makes_the_job_canceled(self, shared: App) -> None:
        """A completed job has at least one completed scene."""
        made = await a_job_of(shared, "COMPLETED")
        payload = await accepted(
            shared, "deleteScene", "job { status progress { total percentage } }", sceneId=made.scenes[0]
        )
        assert payload["job"] == {"status": "CANCELED", "progress": {"total": 0, "percentage": 0.0}}

    async def test_new_scene_reopens_a_settled_job(self, shared: App) -> None:
        """A job that was canceled before its start counts as started then."""
        for made in (await a_job_of(shared, "COMPLETED"), await a_job(shared, "One")):
            if (await job_status(shared, made.id)) == "PENDING":
                await accepted(shared, "cancelJob", jobId=made.id)
            await accepted(shared, "addScene", jobId=made.id, scene={"prompt": "One more"})
            job = await jobs.job(shared, made.id, "status startedAt finishedAt")
            assert is_utc_instant(job.pop("startedAt"))
            assert job == {"status": "PROCESSING", "finishedAt": None}
