"""The regenerate quota of a user: across jobs, requests and batches; a refused request costs nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support import jobs
from tests.support.client import Json
from tests.support.database_choice import database_choice
from tests.support.factories import a_job_of, accepted
from tests.support.queries import refused
from tests.support.rest_calls import call
from tests.support.server_app import App, running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

BURST = 5
EACH_SECONDS = 3600
QUOTA = "{ viewer { regenerateQuota { limit remaining resetAt } } }"


@pytest_asyncio.fixture(loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A new server with a burst of five regenerates, and one more each hour."""
    async with running(tmp_path_factory.mktemp("few"), regenerates_an_hour=1, regenerate_burst=BURST) as app:
        yield app


async def remaining(app: App) -> int:
    """Return the remaining quota; checks the instant at which it is full again."""
    quota = (await app.execute(QUOTA))["viewer"]["regenerateQuota"]
    missing = timedelta(seconds=EACH_SECONDS) * (BURST - quota["remaining"])
    assert datetime.fromisoformat(quota["resetAt"]) - datetime.now(UTC) == pytest.approx(
        missing, abs=timedelta(seconds=60)
    )
    assert quota["limit"] == BURST
    return quota["remaining"]


async def regenerate(app: App, scene_id: str) -> list[str]:
    """Try to regenerate a scene. Return the error codes."""
    payload = await app.mutate("regenerateScene", "errors { code }", sceneId=scene_id)
    return [error["code"] for error in payload["errors"]]


async def test_regenerate_quota_allows_the_burst_and_no_more(app: App) -> None:
    """Across jobs. The error has the time to wait; a cancel refunds nothing."""
    first, second = await a_job_of(app, *["COMPLETED"] * 3), await a_job_of(app, *["FAILED"] * 3)
    assert await remaining(app) == 5
    for spent, scene_id in enumerate([*first.scenes, *second.scenes[:2]]):
        assert await remaining(app) == 5 - spent
        assert await regenerate(app, scene_id) == []
    await accepted(app, "cancelJob", jobId=second.id)
    error = await refused(app, second.id, "regenerateScene", sceneId=second.scenes[2])
    assert error.pop("retryAfterSeconds") == pytest.approx(EACH_SECONDS, abs=60)
    assert error == {
        "__typename": "RateLimitedError",
        "code": "RATE_LIMITED",
        "path": ["input", "sceneId"],
        "quota": {"limit": 5, "remaining": 0},
    }
    answer = await call(app, "POST", second.id, second.scenes[2], "regenerate")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) == pytest.approx(EACH_SECONDS, abs=60)
    assert answer.json()["error"]["code"] == "RATE_LIMITED"


async def test_refused_regenerate_costs_no_quota(app: App) -> None:
    """Nor does the repeated answer of an idempotency key."""
    made = await a_job_of(app, "COMPLETED", "PENDING")
    assert await regenerate(app, made.scenes[1]) == ["NOT_REGENERABLE"]
    await refused(app, made.id, "regenerateScene", sceneId=made.scenes[0], prompt="")
    await refused(app, made.id, "regenerateScene", sceneId=made.scenes[0], expectedVersion=99)
    batch: Json = {"jobId": made.id, "sceneIds": made.scenes}
    payload = await app.mutate("regenerateScenes", "failed", **batch)
    assert payload == {"failed": 2}
    payload = await app.mutate("regenerateScenes", "failed", **batch, policy="BEST_EFFORT", dryRun=True)
    assert payload == {"failed": 1}
    assert await remaining(app) == 5
    for _ in range(3):
        await accepted(app, "regenerateScene", sceneId=made.scenes[0], idempotencyKey="once")
    assert await remaining(app) == 4


async def test_concurrent_regenerates_share_the_quota(app: App) -> None:
    """Thirty requests for thirty jobs, five of them accepted."""
    made = await asyncio.gather(*(a_job_of(app, "COMPLETED") for _ in range(30)))
    answers = await asyncio.gather(*(regenerate(app, each.scenes[0]) for each in made))
    assert Counter(code for answer in answers for code in answer) == {"RATE_LIMITED": 25}
    assert await remaining(app) == 0


class TestBatchQuota:
    """Each scene of a batch counts."""

    async def test_best_effort_regenerate_batch_uses_the_remaining_quota(self, app: App) -> None:
        """In the order of the input; the other scenes are rate limited."""
        made = await a_job_of(app, *["COMPLETED"] * 7)
        for dry in (True, False):
            payload = await app.mutate(
                "regenerateScenes",
                "succeeded failed results { errors { code path } }",
                jobId=made.id,
                sceneIds=made.scenes,
                policy="BEST_EFFORT",
                dryRun=dry,
            )
            assert (payload["succeeded"], payload["failed"]) == (5, 2)
            refusals = [error for result in payload["results"][5:] for error in result["errors"]]
            paths = [["input", "sceneIds", str(index)] for index in (5, 6)]
            assert refusals == [{"code": "RATE_LIMITED", "path": path} for path in paths]
        assert await remaining(app) == 0

    async def test_all_or_nothing_regenerate_batch_needs_quota_for_all_scenes(self, app: App) -> None:
        """A batch larger than the burst is refused for good."""
        made = await a_job_of(app, *["COMPLETED"] * 6)
        errors = "results { sceneId } errors { code path ... on RateLimitedError { retryAfterSeconds } }"
        payload = await app.mutate("regenerateScenes", errors, jobId=made.id, sceneIds=made.scenes)
        assert payload == {"results": [], "errors": [{"code": "LIMIT_EXCEEDED", "path": ["input", "sceneIds"]}]}
        assert await regenerate(app, made.scenes[0]) == []
        payload = await app.mutate("regenerateScenes", errors, jobId=made.id, status=["COMPLETED"])
        (error,) = payload["errors"]
        assert error.pop("retryAfterSeconds") == pytest.approx(EACH_SECONDS, abs=60)
        assert error == {"code": "RATE_LIMITED", "path": ["input", "status"]}
        assert await remaining(app) == 4
        fits: Json = {"jobId": made.id, "sceneIds": made.scenes[1:5]}
        assert await app.mutate("regenerateScenes", "succeeded errors { code }", **fits) == {
            "succeeded": 4,
            "errors": [],
        }
        assert await remaining(app) == 0


async def test_rate_limited_regenerate_leaves_its_idempotency_key_free(app: App) -> None:
    """A batch that was done in part is remembered with its errors."""
    made = await a_job_of(app, *["COMPLETED"] * 7)
    batch: Json = {"jobId": made.id, "sceneIds": made.scenes, "policy": "BEST_EFFORT", "idempotencyKey": "the batch"}
    answer = "succeeded results { sceneId errors { code message ... on RateLimitedError { retryAfterSeconds } } }"
    first = await app.mutate("regenerateScenes", answer, **batch)
    assert first["succeeded"] == 5
    assert await app.mutate("regenerateScenes", answer, **batch) == first
    for name, fields in (
        ("regenerateScene", {"sceneId": made.scenes[6]}),
        ("regenerateScenes", {"jobId": made.id, "sceneIds": made.scenes[5:], "policy": "BEST_EFFORT"}),
    ):
        await app.mutate(name, "errors { code }", **fields, idempotencyKey=name)
        another = await a_job_of(app, "PENDING")
        await accepted(app, "startJob", jobId=another.id, idempotencyKey=name)


async def test_regenerate_quota_is_shared_by_all_servers(tmp_path: Path) -> None:
    """By several on a shared database, by successive processes on a file."""
    few: Json = {"regenerates_an_hour": 1, "regenerate_burst": BURST}
    async with running(tmp_path, **few) as first:
        scenes = (await a_job_of(first, *["COMPLETED"] * 12)).scenes
        answers = [await regenerate(first, scene_id) for scene_id in scenes[:3]]
        if database_choice.distributed:
            async with running(tmp_path, **few) as second:
                pairs = zip([first, second, second] * 3, scenes[3:], strict=True)
                answers += await asyncio.gather(*(regenerate(app, scene_id) for app, scene_id in pairs))
    if not database_choice.distributed:
        async with running(tmp_path, **few) as again:
            answers += [await regenerate(again, scene_id) for scene_id in scenes[3:]]
    assert Counter(code for answer in answers for code in answer) == {"RATE_LIMITED": 7}


async def test_regenerate_quota_can_be_unlimited(shared: App) -> None:
    """When the operator sets no limit."""
    quota = (await shared.execute(QUOTA))["viewer"]["regenerateQuota"]
    assert (quota["limit"], quota["remaining"]) == (2**31 - 1, 2**31 - 1)
    made = await a_job_of(shared, *["COMPLETED"] * 30)
    payload = await shared.mutate("regenerateScenes", "succeeded", jobId=made.id, status=["COMPLETED"])
    assert payload == {"succeeded": 30}
    assert (await jobs.job(shared, made.id, "progress { pending }")) == {"progress": {"pending": 30}}
