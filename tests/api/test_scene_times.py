"""startedAt and finishedAt of scenes and jobs whose renders are reported by external workers."""

import pytest

from tests.support import jobs
from tests.support.factories import a_job, accepted, report
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]


async def test_completed_report_keeps_the_scene_start_time(shared: App) -> None:
    """The scene started with the first report; the second one finishes it."""
    made = await a_job(shared, "A kite")
    selection = "scenes { nodes { startedAt finishedAt } }"
    await report(shared, made.scenes[0], "PROCESSING")
    (started,) = (await jobs.job(shared, made.id, selection))["scenes"]["nodes"]
    await report(shared, made.scenes[0], "COMPLETED")
    (finished,) = (await jobs.job(shared, made.id, selection))["scenes"]["nodes"]
    assert started["finishedAt"] is None
    assert finished["startedAt"] == started["startedAt"] < finished["finishedAt"]


async def test_restored_pending_scene_starts_a_job_that_was_canceled_before_its_start(shared: App) -> None:
    """A job canceled as a storyboard has no startedAt; rendering its restored scene starts it."""
    made = await a_job(shared, "A kite", "A boat")
    await accepted(shared, "deleteScene", "deletedSceneId", sceneId=made.scenes[0])
    await accepted(shared, "cancelJob", jobId=made.id)
    canceled = await jobs.job(shared, made.id, "status startedAt")
    assert canceled == {"status": "CANCELED", "startedAt": None}
    await accepted(shared, "restoreScene", sceneId=made.scenes[0])
    restored = await jobs.job(shared, made.id, "status startedAt finishedAt")
    assert restored["status"] == "PROCESSING"
    assert restored["startedAt"] is not None
    assert restored["finishedAt"] is None
