"""Clips from Replicate that fail: what is bought again, and what is not. Against the stranger fake of the
API, with full effort against both."""

from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.replicate import OURS, STRANGE, FakeReplicate
from tests.support.replicate_jobs import only_scene, started
from tests.support.server_app import running

pytestmark = pytest.mark.parametrize(
    "fake_process",
    [pytest.param(OURS, id="ours", marks=pytest.mark.thorough), pytest.param(STRANGE, id="strange")],
    indirect=True,
)


@pytest.mark.parametrize(
    ("error", "code", "retryable", "creations"),
    [
        ("the weather", "PREDICTION_FAILED", True, 2),
        ("Service is temporarily unavailable (E004)", "PROVIDER_UNAVAILABLE", True, 4),
        ("Your request violates our usage policies.", "MODERATED", False, 1),
        ("(E006) prompt must be at most 2500 characters", "INVALID_INPUT", False, 1),
    ],
)
async def test_failed_prediction_is_retried_by_the_class_of_its_reason(
    fake: FakeReplicate, tmp_path: Path, error: str, code: str, retryable: bool, creations: int
) -> None:
    """Each attempt is a new prediction: none after a final refusal, one after an unknown reason."""
    fake.behave(outcome="failed", error=error)
    async with running(tmp_path, **fake.settings(), max_attempts=4, retry_first_seconds=0.05) as app:
        job = await started(app)
        assert await jobs.settled(app, job.id) == "FAILED"
        assert (await only_scene(app, job))["failure"] == {"code": code, "retryable": retryable}
    assert fake.counts()["creations"] == creations


@pytest.mark.parametrize("unreadable", ["get", "download"])
async def test_regenerated_scene_gets_the_clip_that_its_failed_take_was_paid_for(
    fake: FakeReplicate, tmp_path: Path, unreadable: str
) -> None:
    """The prediction or its file could not be read for too long, and meanwhile it has succeeded."""
    fake.behave(hold=True)
    async with running(tmp_path, **fake.settings(), render_deadline_seconds=6.0) as app:
        job = await started(app)
        await fake.until(looks=1)
        for kind in (unreadable, "cancel"):
            fake.fault(kind, "status", status=403, times=1_000_000)
        fake.command("release")
        assert await jobs.settled(app, job.id) == "FAILED"
        failed = await only_scene(app, job)
        assert failed["failure"]["code"] in ("FORBIDDEN", "OUTPUT_EXPIRED", "OUTPUT_UNAVAILABLE")
        fake.command("mend")
        await jobs.change(app, "regenerateScene", sceneId=job.scenes[0])
        assert await jobs.settled(app, job.id) == "COMPLETED"
        assert (await only_scene(app, job))["providerId"] == failed["providerId"]
    assert fake.counts()["creations"] == 1


async def test_regenerated_scene_whose_given_up_prediction_was_canceled_gets_another(
    fake: FakeReplicate, tmp_path: Path
) -> None:
    """The failure says that the prediction was canceled."""
    fake.behave(hold=True)
    async with running(tmp_path, **fake.settings(), render_deadline_seconds=6.0) as app:
        job = await started(app)
        await fake.until(looks=1)
        fake.fault("get", "page", status=403, times=2)
        fake.fault("get", "status", status=401, times=1_000_000)
        assert await jobs.settled(app, job.id) == "FAILED"
        scene = (await jobs.job(app, job.id, "scenes { nodes { failure { code message } } }"))["scenes"]["nodes"][0]
        assert scene["failure"]["code"] == "UNAUTHORIZED"
        assert "It was canceled." in scene["failure"]["message"]
        assert fake.predictions()[0]["status"] == "canceled"
        fake.command("mend")
        fake.behave(hold=False)
        await jobs.change(app, "regenerateScene", sceneId=job.scenes[0])
        assert await jobs.settled(app, job.id) == "COMPLETED"
    assert fake.counts()["creations"] == 2
