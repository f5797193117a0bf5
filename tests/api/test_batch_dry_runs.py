"""Dry runs of scene batches: the result of the real run, without any change."""

import random
from typing import Any

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_SCENE, REPORTS_TO_REACH, STATUSES, a_job_of, accepted
from tests.support.property_settings import scaled
from tests.support.queries import EVERYTHING
from tests.support.scene_batches import BATCHES, batch
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

SELECTION = "results { sceneId errors { code } } job { version } errors { code }"


@pytest.mark.sqlite_alone
async def test_dry_run_of_a_batch_neither_uses_nor_remembers_its_idempotency_key(shared: App) -> None:
    """It foresees the state of now, also after a real run with its key, and a real run with its key still acts."""
    made = await a_job_of(shared, "PENDING", "PENDING", start=True)
    request: Json = {"jobId": made.id, "sceneIds": made.scenes, "idempotencyKey": "cancel-both"}
    foreseen = await shared.mutate("cancelScenes", SELECTION, **request, dryRun=True)
    done = await shared.mutate("cancelScenes", SELECTION, **request)
    assert done["results"] == foreseen["results"]
    assert done["job"]["version"] > foreseen["job"]["version"]
    await accepted(shared, "regenerateScene", sceneId=made.scenes[0])
    # A delete is refused now that the job is processing; a remembered answer would say that it was accepted.
    deletion: Json = {"jobId": made.id, "sceneIds": [made.scenes[1]], "idempotencyKey": "delete-second"}
    refused = await shared.mutate("deleteScenes", SELECTION, **deletion, dryRun=True)
    assert [error["code"] for result in refused["results"] for error in result["errors"]] == ["JOB_PROCESSING"]
    await accepted(shared, "cancelScene", sceneId=made.scenes[0])
    deleted = await shared.mutate("deleteScenes", SELECTION, **deletion)
    assert [result["errors"] for result in deleted["results"]] == [[]]
    again = await shared.mutate("deleteScenes", SELECTION, **deletion, dryRun=True)
    assert [error["code"] for result in again["results"] for error in result["errors"]] == ["ALREADY_DELETED"]


class TestBatchDryRun:
    """A dry run returns the result of the real run."""

    async def test_dry_run_of_a_batch_returns_the_result_of_the_real_run(self, shared: App) -> None:
        """For random states and batches: equal results and scenes, and nothing is changed."""
        rng = jobs.seeded("dry runs")
        another = (await a_job_of(shared, "COMPLETED")).scenes
        for _ in range(scaled(10)):
            made = await a_job_of(shared, *rng.choices(STATUSES, k=5))
            if rng.random() < 0.7:
                await try_mutation(shared, "cancelJob", jobId=made.id)
                await batch(
                    shared,
                    "deleteScenes",
                    jobId=made.id,
                    sceneIds=rng.sample(made.scenes, rng.randint(1, 3)),
                    policy="BEST_EFFORT",
                )
            name = rng.choice([*BATCHES, "updateScenes", "updateScenes"])
            named = rng.choices([*made.scenes * 4, *another, NO_SCENE], k=rng.randint(1, 6))
            if rng.random() < 0.5:
                named = list(dict.fromkeys(named))
            fields: Json = {"jobId": made.id, "policy": rng.choice(["ALL_OR_NOTHING", "BEST_EFFORT"])}
            if name == "updateScenes":
                fields["scenes"] = [{"sceneId": scene_id, **random_edit(rng)} for scene_id in named]
            elif rng.random() < 0.5:
                fields["status"] = rng.sample(STATUSES, 3)
            else:
                fields["sceneIds"] = named
            before = await jobs.job(shared, made.id, EVERYTHING)
            dry = await comparable_batch(shared, name, dryRun=True, **fields)
            assert await jobs.job(shared, made.id, EVERYTHING) == before, (name, fields)
            real = await comparable_batch(shared, name, **fields)
            assert dry == real, (name, fields)

    @pytest.mark.sqlite_alone
    async def test_dry_run_of_a_batch_sends_no_event_and_keeps_its_idempotency_key_free(self, shared: App) -> None:
        """The real run with the key acts."""
        made = await a_job_of(shared, "COMPLETED", "FAILED")
        fields: Json = {"jobId": made.id, "sceneIds": made.scenes, "idempotencyKey": "dry, then real"}
        document = "subscription($id: ID!) { jobEvents(jobId: $id) { __typename ... on JobEvent { type } } }"
        async with shared.subscribe(document, id=made.id) as stream:
            assert (await stream.next())["jobEvents"]["__typename"] == "JobSnapshot"
            for _ in range(2):
                dry = await batch(shared, "regenerateScenes", dryRun=True, **fields)
                assert (dry["dryRun"], dry["succeeded"], dry["job"]["status"]) == (True, 2, "FAILED")
                assert [result["scene"]["status"] for result in dry["results"]] == ["PENDING", "PENDING"]
            assert (await batch(shared, "regenerateScenes", **fields))["succeeded"] == 2
            assert (await stream.next())["jobEvents"]["type"] == "SCENE_REGENERATED"


def random_edit(rng: random.Random) -> Json:
    """Return fields for updateScene, valid or invalid."""
    return rng.choice(
        [
            {"title": "New"},
            {"title": ""},
            {"prompt": None},
            {"percentage": 50},
            {"expectedVersion": 3, "title": "New"},
            {"outputUrl": "https://clips.test/new.mp4"},
            *({"status": status} for status in REPORTS_TO_REACH),
        ]
    )


async def try_mutation(app: App, name: str, **fields: Any) -> None:
    """Run a mutation that may be refused."""
    await app.mutate(name, "errors { code }", **fields)


async def comparable_batch(app: App, name: str, **fields: Any) -> Json:
    """Send a batch. Return all that a dry run must foresee: everything but new take ids and instants."""
    scene = """scene {
        id status position title prompt percentage attempts maxAttempts version providerId output { url }
        failure { code } availableActions allowedTransitions
    }"""
    errors = "errors { __typename code message path }"
    return await app.mutate(name, f"results {{ sceneId {scene} {errors} }} succeeded failed {errors}", **fields)
