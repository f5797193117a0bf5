"""Cancelling and deleting a scene, and the refusals that all mutations of a scene share."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support import jobs
from tests.support.factories import (
    NO_JOB,
    NO_SCENE,
    REPORTS_TO_REACH,
    a_job,
    a_job_of,
    a_scene,
    accepted,
)
from tests.support.queries import (
    EVERYTHING,
    changes,
    log,
    missing,
    positions_and_prompts,
    read_scene,
    refused,
    stale,
    state,
)
from tests.support.scene_mutations import SCENE_MUTATIONS
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestCancel:
    """cancelScene."""

    @pytest.mark.parametrize("status", ["PENDING", "PROCESSING"])
    async def test_cancel_of_an_open_scene(self, shared: App, status: str) -> None:
        """The scene and its take are canceled; the other scenes continue."""
        made = await a_job_of(shared, "PROCESSING", status)
        payload = await accepted(
            shared, "cancelScene", "scene { status currentTake { status } } job { status }", sceneId=made.scenes[1]
        )
        assert payload == {
            "scene": {"status": "CANCELED", "currentTake": {"status": "CANCELED"}},
            "job": {"status": "PROCESSING"},
        }
        assert (await log(shared, made.id))[-1] == ("SCENE_CANCELED", made.scenes[1])

    async def test_cancel_of_a_scene_in_a_job_that_was_not_started(self, shared: App) -> None:
        """The job stays PENDING."""
        made = await a_job(shared, "One", "Two")
        payload = await accepted(shared, "cancelScene", "scene { status } job { status }", sceneId=made.scenes[0])
        assert payload == {"scene": {"status": "CANCELED"}, "job": {"status": "PENDING"}}

    async def test_second_cancel_of_a_scene_is_a_no_op(self, shared: App) -> None:
        """No event."""
        made = await a_job_of(shared, "CANCELED")
        before = await jobs.job(shared, made.id, EVERYTHING)
        await accepted(shared, "cancelScene", sceneId=made.scenes[0])
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    @pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
    async def test_cancel_of_a_finished_scene_is_refused(self, shared: App, status: str) -> None:
        """The path of the error is the `sceneId` of this input."""
        job_id, scene_id = await a_scene(shared, status)
        error = await refused(shared, job_id, "cancelScene", sceneId=scene_id)
        assert error == state("INVALID_TRANSITION", "sceneId", status, "CANCELED")


class TestDelete:
    """deleteScene: recoverable for seven days."""

    @pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELED"])
    async def test_deleted_scene_of_a_settled_job_is_hidden_until_its_purge(self, shared: App, status: str) -> None:
        """The payload and the scene have the end of the recovery window."""
        made = await a_job_of(shared, "COMPLETED", status)
        scene_id = made.scenes[1]
        before = await read_scene(shared, scene_id)
        payload = await accepted(shared, "deleteScene", "deletedSceneId purgeAfter", sceneId=scene_id)
        purge_after = payload.pop("purgeAfter")
        assert payload == {"deletedSceneId": scene_id}
        assert datetime.fromisoformat(purge_after) - datetime.now(UTC) == pytest.approx(
            timedelta(days=7), abs=timedelta(minutes=1)
        )
        after = await read_scene(shared, scene_id)
        deleted_at = after["deletedAt"]
        assert datetime.fromisoformat(purge_after) - datetime.fromisoformat(deleted_at) == timedelta(days=7)
        assert after == before | {
            "deletedAt": deleted_at,
            "purgeAfter": purge_after,
            "updatedAt": deleted_at,
            "version": after["version"],
            "availableActions": ["RESTORE"],
            "allowedTransitions": [],
        }
        job = await jobs.job(shared, made.id, "all: scenes(includeDeleted: true) { totalCount } scenes { totalCount }")
        assert job == {"all": {"totalCount": 2}, "scenes": {"totalCount": 1}}

    async def test_delete_of_a_scene_closes_the_gap_in_the_play_order(self, shared: App) -> None:
        """With the same event."""
        made = await a_job(shared, "One", "Two", "Three", "Four")
        await accepted(shared, "deleteScene", sceneId=made.scenes[1])
        assert await positions_and_prompts(shared, made.id) == [(0, "One"), (1, "Three"), (2, "Four")]
        assert await changes(shared, made.id, 1) == [("SCENE_DELETED", ["deletedAt"])]
        versions = [(await read_scene(shared, scene_id, "version"))["version"] for scene_id in made.scenes]
        assert versions == [1, 2, 2, 2]

    @pytest.mark.parametrize("status", sorted(REPORTS_TO_REACH))
    async def test_delete_of_a_scene_is_refused_while_its_job_is_processing(self, shared: App, status: str) -> None:
        """Whatever the status of the scene; after a cancel of the job it is accepted."""
        made = await a_job_of(shared, "PROCESSING", status)
        error = await refused(shared, made.id, "deleteScene", sceneId=made.scenes[1])
        assert error == state("JOB_PROCESSING", "sceneId")
        await accepted(shared, "cancelJob", jobId=made.id)
        await accepted(shared, "deleteScene", sceneId=made.scenes[1])

    @pytest.mark.parametrize("name", sorted(SCENE_MUTATIONS))
    async def test_deleted_scene_refuses_every_mutation_but_restore(self, shared: App, name: str) -> None:
        """A second delete is refused as well."""
        made = await a_job(shared, "One", "Two")
        await accepted(shared, "deleteScene", sceneId=made.scenes[0])
        error = await refused(shared, made.id, name, sceneId=made.scenes[0], **SCENE_MUTATIONS[name][1])
        assert error == state("ALREADY_DELETED", "sceneId")


class TestWrongScene:
    """Refusals of every mutation of a scene."""

    @pytest.mark.parametrize("name", sorted(SCENE_MUTATIONS))
    async def test_mutation_of_a_missing_scene_is_refused(self, shared: App, name: str) -> None:
        """With and without the right job."""
        job_id, _ = await a_scene(shared)
        for more in ({}, {"jobId": job_id}):
            error = await refused(shared, job_id, name, sceneId=NO_SCENE, **SCENE_MUTATIONS[name][1], **more)
            assert error == missing("sceneId", NO_SCENE)

    @pytest.mark.parametrize("name", sorted(SCENE_MUTATIONS))
    async def test_mutation_of_a_scene_with_a_missing_job_is_refused(self, shared: App, name: str) -> None:
        """The error is about the job."""
        status, fields = SCENE_MUTATIONS[name]
        job_id, scene_id = await a_scene(shared, status)
        error = await refused(shared, job_id, name, sceneId=scene_id, jobId=NO_JOB, **fields)
        assert error == missing("jobId", NO_JOB)

    @pytest.mark.parametrize("name", sorted(SCENE_MUTATIONS))
    async def test_mutation_of_a_scene_of_another_job_is_refused(self, shared: App, name: str) -> None:
        """With its own code; neither job changes."""
        status, fields = SCENE_MUTATIONS[name]
        another, _ = await a_scene(shared)
        job_id, scene_id = await a_scene(shared, status)
        before = await jobs.job(shared, another, EVERYTHING)
        error = await refused(shared, job_id, name, sceneId=scene_id, jobId=another, **fields)
        assert error == missing("sceneId", scene_id, code="SCENE_NOT_IN_JOB")
        assert await jobs.job(shared, another, EVERYTHING) == before

    @pytest.mark.parametrize("name", sorted(SCENE_MUTATIONS))
    async def test_mutation_of_a_scene_with_a_stale_expected_version_is_refused(self, shared: App, name: str) -> None:
        """The version of the scene counts, not that of its job."""
        status, fields = SCENE_MUTATIONS[name]
        job_id, scene_id = await a_scene(shared, status)
        await accepted(shared, "updateScene", sceneId=scene_id, title="Changed meanwhile")
        version = (await read_scene(shared, scene_id, "version"))["version"]
        await jobs.retitle(shared, job_id, "Its job as well")
        for wrong in (version - 1, version + 1, -1):
            error = await refused(shared, job_id, name, sceneId=scene_id, expectedVersion=wrong, **fields)
            assert error == stale(version)
        await accepted(shared, name, sceneId=scene_id, expectedVersion=version, **fields)
