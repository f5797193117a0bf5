"""Batches with idempotency keys: a repeated request acts once."""

import asyncio
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_SCENE, a_job_of, accepted
from tests.support.queries import log
from tests.support.scene_batches import BATCHES, batch, scenes_for
from tests.support.server_app import App, running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]


class TestBatchIdempotency:
    """A repeated request with the same idempotency key."""

    async def test_repeated_batch_with_its_idempotency_key_returns_the_first_results(self, shared: App) -> None:
        """Refusals included, also after later changes."""
        made = await a_job_of(shared, "COMPLETED", "PENDING", "FAILED")
        named = [*made.scenes, made.scenes[0], NO_SCENE]
        fields: Json = {"jobId": made.id, "sceneIds": named, "policy": "BEST_EFFORT", "idempotencyKey": "again"}
        first = await batch(shared, "regenerateScenes", **fields)
        assert first["succeeded"] == 2
        assert await batch(shared, "regenerateScenes", **fields) == first
        await accepted(shared, "cancelJob", jobId=made.id)
        version = (await jobs.job(shared, made.id, "version"))["version"]
        again = await batch(shared, "regenerateScenes", **fields)
        assert [result["errors"] for result in again["results"]] == [result["errors"] for result in first["results"]]
        assert (await jobs.job(shared, made.id, "version"))["version"] == version

    async def test_aborted_batch_leaves_its_idempotency_key_free(self, shared: App) -> None:
        """A request that changed nothing is not remembered."""
        made = await a_job_of(shared, "COMPLETED", "PROCESSING")
        fields: Json = {"jobId": made.id, "sceneIds": made.scenes, "idempotencyKey": "aborted"}
        assert (await batch(shared, "regenerateScenes", **fields))["failed"] == 2
        await accepted(shared, "cancelScene", sceneId=made.scenes[1])
        assert (await batch(shared, "regenerateScenes", **fields))["succeeded"] == 2

    @pytest.mark.parametrize("name", sorted(BATCHES))
    async def test_concurrent_batches_with_one_idempotency_key_act_once(self, shared: App, name: str) -> None:
        """Both requests of each pair get the result."""
        made = await asyncio.gather(*(scenes_for(shared, name) for _ in range(5)))
        works = [
            batch(shared, name, jobId=each.id, sceneIds=each.scenes, idempotencyKey=f"{name} {each.id}")
            for each in made
            for _ in "12"
        ]
        answers = await asyncio.gather(*works)
        assert all(answer["succeeded"] == len(answer["results"]) > 0 for answer in answers)
        for each in made:
            kinds = [kind for kind, _ in await log(shared, each.id)]
            assert kinds.count(BATCHES[name][0]) == len(each.scenes)

    async def test_idempotency_key_of_a_batch_is_refused_for_another_request(self, shared: App) -> None:
        """Another policy, other scenes, another mutation."""
        made = await a_job_of(shared, "COMPLETED", "COMPLETED")
        fields: Json = {"jobId": made.id, "sceneIds": made.scenes, "idempotencyKey": "the one"}
        await batch(shared, "deleteScenes", **fields)
        for name, more in (
            ("deleteScenes", {"policy": "BEST_EFFORT"}),
            ("deleteScenes", {"sceneIds": made.scenes[:1]}),
            ("deleteScenes", {"sceneIds": None, "status": ["COMPLETED"]}),
            ("restoreScenes", {}),
        ):
            (error,) = (await batch(shared, name, **fields | more))["errors"]
            assert (error["code"], error["path"]) == ("IDEMPOTENCY_CONFLICT", ["input", "idempotencyKey"])

    async def test_idempotency_key_of_a_batch_survives_a_restart(self, tmp_path: Path) -> None:
        """It is stored in the database."""
        answers: list[Json] = []
        fields: Json = {}
        for _ in "12":
            async with running(tmp_path) as app:
                if not fields:
                    made = await a_job_of(app, "COMPLETED", "PENDING")
                    fields = {"jobId": made.id, "sceneIds": made.scenes, "policy": "BEST_EFFORT"}
                answers.append(await batch(app, "regenerateScenes", **fields, idempotencyKey="the key"))
        assert answers[0] == answers[1]
        assert answers[0]["succeeded"] == 1
