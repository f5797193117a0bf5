"""Deleting and restoring jobs, and restoring scenes within the recovery window."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_JOB, NO_SCENE, a_job, a_job_of, accepted, report
from tests.support.queries import (
    EVERYTHING,
    changes,
    invalid,
    log,
    missing,
    play_order,
    read_scene,
    refused,
    stale,
    state,
)
from tests.support.rest_calls import call, data, no_job
from tests.support.scene_mutations import SCENE_MUTATIONS
from tests.support.server_app import App, running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

# Every mutation of a job, and its other fields.
JOB_MUTATIONS: dict[str, Json] = {
    "updateJob": {"title": "New"},
    "startJob": {},
    "cancelJob": {},
    "deleteJob": {},
    "addScene": {"scene": {"prompt": "New"}},
    "regenerateScenes": {"status": ["COMPLETED"]},
    "restoreScenes": {"status": ["COMPLETED"]},
    "updateScenes": {"scenes": [{"sceneId": NO_SCENE}]},
}


class TestDeleteJob:
    """deleteJob."""

    @pytest.mark.parametrize("statuses", [[], ["PENDING"], ["COMPLETED"], ["COMPLETED", "FAILED"], ["CANCELED"]])
    async def test_deleted_job_is_hidden_and_otherwise_unchanged(self, shared: App, statuses: list[str]) -> None:
        """It shows the end of its recovery window."""
        made = await a_job_of(shared, *statuses)
        before = await jobs.job(shared, made.id, EVERYTHING)
        payload = await accepted(shared, "deleteJob", "job { deletedAt purgeAfter version }", jobId=made.id)
        job = payload["job"]
        deleted_at, purge_after = (datetime.fromisoformat(job[name]) for name in ("deletedAt", "purgeAfter"))
        assert purge_after - deleted_at == timedelta(days=7)
        assert await changes(shared, made.id, before["version"]) == [("JOB_DELETED", ["deletedAt"])]
        after = await jobs.job(shared, made.id, EVERYTHING)
        assert (after["status"], after["version"]) == (before["status"], before["version"] + 1)
        for scene in after["scenes"]["nodes"]:
            assert (scene["availableActions"], scene["allowedTransitions"]) == ([], [])
        assert made.id not in await newest_job_ids(shared, deleted=False)
        assert made.id in await newest_job_ids(shared, deleted=True)

    @pytest.mark.sqlite_alone
    async def test_delete_of_a_processing_job_is_refused(self, shared: App) -> None:
        """After a cancel it is accepted."""
        made = await a_job_of(shared, "COMPLETED", "PROCESSING")
        assert await refused(shared, made.id, "deleteJob", jobId=made.id) == state("JOB_PROCESSING", "jobId")
        await accepted(shared, "cancelJob", jobId=made.id)
        await accepted(shared, "deleteJob", jobId=made.id)

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize("name", sorted(JOB_MUTATIONS))
    async def test_deleted_job_refuses_every_mutation_but_restore(self, shared: App, name: str) -> None:
        """And nothing is changed."""
        made = await a_job_of(shared, "COMPLETED")
        await accepted(shared, "deleteJob", jobId=made.id)
        before = await jobs.job(shared, made.id, EVERYTHING)
        errors = "errors { __typename code path ... on StateError { from to allowed } }"
        payload = await shared.mutate(name, errors, jobId=made.id, **JOB_MUTATIONS[name])
        assert payload["errors"] == [state("ALREADY_DELETED", "jobId")]
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize("name", [*sorted(SCENE_MUTATIONS), "restoreScene"])
    async def test_scenes_of_a_deleted_job_refuse_every_mutation(self, shared: App, name: str) -> None:
        """Also scenes that were deleted before."""
        made = await a_job_of(shared, "COMPLETED", "COMPLETED")
        await accepted(shared, "deleteScene", sceneId=made.scenes[1])
        await accepted(shared, "deleteJob", jobId=made.id)
        scene_id = made.scenes[name == "restoreScene"]
        _, fields = SCENE_MUTATIONS.get(name, ("", {}))
        assert await refused(shared, made.id, name, sceneId=scene_id, **fields) == state("ALREADY_DELETED", "sceneId")

    async def test_deleted_job_is_not_found_over_rest(self, shared: App) -> None:
        """Until it is restored."""
        made = await a_job_of(shared, "COMPLETED")
        await accepted(shared, "deleteJob", jobId=made.id)
        for scene_id in ("", made.scenes[0]):
            answer = await call(shared, "GET", made.id, scene_id)
            assert (answer.status_code, answer.json()["error"]) == no_job()
        await accepted(shared, "restoreJob", jobId=made.id)
        assert (await data(shared, "GET", made.id, made.scenes[0]))["status"] == "completed"


class TestRestoreJob:
    """restoreJob."""

    async def test_restored_job_is_unchanged(self, shared: App) -> None:
        """Except for its version; scenes that were deleted before stay deleted."""
        made = await a_job_of(shared, "COMPLETED", "FAILED", "CANCELED")
        await accepted(shared, "deleteScene", sceneId=made.scenes[1])
        before = await jobs.job(shared, made.id, EVERYTHING)
        await accepted(shared, "deleteJob", jobId=made.id)
        await accepted(shared, "restoreJob", jobId=made.id)
        assert await changes(shared, made.id, before["version"]) == [
            ("JOB_DELETED", ["deletedAt"]),
            ("JOB_RESTORED", ["deletedAt"]),
        ]
        after = await jobs.job(shared, made.id, EVERYTHING)
        assert without_versions_and_times(after) == without_versions_and_times(before)
        assert made.id in await newest_job_ids(shared, deleted=False)

    @pytest.mark.sqlite_alone
    async def test_restore_of_missing_live_or_changed_jobs_is_refused(self, shared: App) -> None:
        """With the code of each reason."""
        made = await a_job_of(shared, "COMPLETED")
        assert await refused(shared, made.id, "restoreJob", jobId=made.id) == state("NOT_DELETED", "jobId")
        assert await refused(shared, NO_JOB, "restoreJob", jobId=NO_JOB) == missing("jobId", NO_JOB)
        await accepted(shared, "deleteJob", jobId=made.id)
        version = (await jobs.job(shared, made.id, "version"))["version"]
        error = await refused(shared, made.id, "restoreJob", jobId=made.id, expectedVersion=version - 1)
        assert error == stale(version)
        await accepted(shared, "restoreJob", jobId=made.id, expectedVersion=version)


class TestRestoreScene:
    """restoreScene."""

    @pytest.mark.parametrize("status", ["PENDING", "COMPLETED", "FAILED", "CANCELED"])
    async def test_restored_scene_is_unchanged(self, shared: App, status: str) -> None:
        """Status, clip and takes; the scenes after it move in the same event."""
        made = await a_job_of(shared, *([status] * 3))
        before = await jobs.job(shared, made.id, EVERYTHING)
        await accepted(shared, "deleteScene", sceneId=made.scenes[1])
        payload = await accepted(
            shared,
            "restoreScene",
            "scene { status position deletedAt purgeAfter } job { status }",
            sceneId=made.scenes[1],
        )
        assert payload["scene"] == {"status": status, "position": 1, "deletedAt": None, "purgeAfter": None}
        assert payload["job"] == {"status": before["status"]}
        events = [event for event, _ in await changes(shared, made.id, before["version"])]
        assert events == ["SCENE_DELETED", "SCENE_RESTORED"]
        assert without_versions_and_times(await jobs.job(shared, made.id, EVERYTHING)) == without_versions_and_times(
            before
        )
        assert (await data(shared, "GET", made.id, made.scenes[1]))["status"] == status.lower()

    async def test_restored_scenes_return_to_their_play_order(self, shared: App) -> None:
        """For random orders, with additions and deletions of other scenes in between."""
        rng = jobs.seeded("old places")
        names = [f"Scene {number}" for number in range(8)]
        for _ in range(3):
            made = await a_job(shared, *names)
            deleted = rng.sample(made.scenes, rng.randint(2, 8))
            for scene_id in deleted:
                await accepted(shared, "deleteScene", sceneId=scene_id)
            first = await accepted(shared, "addScene", "scene { id }", jobId=made.id, scene={"prompt": "X"}, position=0)
            await accepted(shared, "addScene", jobId=made.id, scene={"prompt": "Y"})
            restored = rng.sample(deleted, len(deleted))
            for scene_id in restored[:1]:
                await accepted(shared, "restoreScene", sceneId=scene_id)
            await accepted(shared, "deleteScene", sceneId=first["scene"]["id"])
            await accepted(shared, "restoreScene", sceneId=first["scene"]["id"])
            for scene_id in restored[1:]:
                await accepted(shared, "restoreScene", sceneId=scene_id)
            shown = await play_order(shared, made.id)
            assert [name for name in shown if name.startswith("Scene")] == names
            assert shown[-1] == "Y"

    async def test_restored_scene_is_last_if_its_position_no_longer_exists(self, shared: App) -> None:
        """The nearest position."""
        made = await a_job(shared, "One", "Two", "Three")
        for scene_id in made.scenes[::-1]:
            await accepted(shared, "deleteScene", sceneId=scene_id)
        payload = await accepted(shared, "restoreScene", "scene { position }", sceneId=made.scenes[2])
        assert payload["scene"] == {"position": 0}

    async def test_restored_pending_scene_is_rendered_if_its_job_has_started(self, shared: App) -> None:
        """Otherwise it waits for the start."""
        made = await jobs.make(shared, jobs.scene(steps=1), jobs.scene(steps=1))
        await accepted(shared, "deleteScene", sceneId=made.scenes[0])
        await accepted(shared, "restoreScene", sceneId=made.scenes[0])
        assert (await jobs.job(shared, made.id, "status")) == {"status": "PENDING"}
        await accepted(shared, "deleteScene", sceneId=made.scenes[0])
        await accepted(shared, "startJob", jobId=made.id)
        assert await jobs.settled(shared, made.id) == "COMPLETED"
        payload = await accepted(shared, "restoreScene", "scene { status } job { status }", sceneId=made.scenes[0])
        assert payload == {"scene": {"status": "PENDING"}, "job": {"status": "PROCESSING"}}
        assert await jobs.settled(shared, made.id) == "COMPLETED"
        assert (await read_scene(shared, made.scenes[0], "output { contentType }"))["output"] is not None

    async def test_restored_failed_scene_fails_its_job(self, shared: App) -> None:
        """A job that was completed without it."""
        made = await a_job_of(shared, "COMPLETED", "FAILED")
        payload = await accepted(shared, "deleteScene", "job { status }", sceneId=made.scenes[1])
        assert payload["job"] == {"status": "COMPLETED"}
        payload = await accepted(shared, "restoreScene", "job { status }", sceneId=made.scenes[1])
        assert payload["job"] == {"status": "FAILED"}
        kinds = [kind for kind, _ in await log(shared, made.id, after=(made.version))]
        assert kinds[-4:] == ["SCENE_DELETED", "JOB_SETTLED", "SCENE_RESTORED", "JOB_SETTLED"]

    async def test_restore_of_a_scene_into_a_processing_job(self, shared: App) -> None:
        """The scene keeps its status."""
        made = await a_job_of(shared, "COMPLETED", "COMPLETED")
        await accepted(shared, "deleteScene", sceneId=made.scenes[0])
        await accepted(shared, "regenerateScene", sceneId=made.scenes[1])
        await report(shared, made.scenes[1], "PROCESSING")
        payload = await accepted(shared, "restoreScene", "scene { status } job { status }", sceneId=made.scenes[0])
        assert payload == {"scene": {"status": "COMPLETED"}, "job": {"status": "PROCESSING"}}

    @pytest.mark.sqlite_alone
    async def test_restore_of_a_scene_into_a_full_job_is_refused(self, shared: App) -> None:
        """A job has at most 200 live scenes; RESTORE is offered only if there is room."""
        made = await a_job(shared, *(f"Scene {number}" for number in range(200)))
        await accepted(shared, "deleteScene", sceneId=made.scenes[0])
        added = await accepted(shared, "addScene", "scene { id }", jobId=made.id, scene={"prompt": "New"})
        error = await refused(shared, made.id, "restoreScene", sceneId=made.scenes[0])
        assert error == invalid("sceneId", code="LIMIT_EXCEEDED")
        assert (await read_scene(shared, made.scenes[0], "availableActions")) == {"availableActions": []}
        await accepted(shared, "deleteScene", sceneId=added["scene"]["id"])
        assert (await read_scene(shared, made.scenes[0], "availableActions")) == {"availableActions": ["RESTORE"]}
        await accepted(shared, "restoreScene", sceneId=made.scenes[0])

    @pytest.mark.sqlite_alone
    async def test_restore_of_missing_live_foreign_or_changed_scenes_is_refused(self, shared: App) -> None:
        """With the code of each reason."""
        made, another = await a_job_of(shared, "COMPLETED"), await a_job(shared)
        (scene_id,) = made.scenes
        assert await refused(shared, made.id, "restoreScene", sceneId=scene_id) == state("NOT_DELETED", "sceneId")
        assert await refused(shared, made.id, "restoreScene", sceneId=NO_SCENE) == missing("sceneId", NO_SCENE)
        await accepted(shared, "deleteScene", sceneId=scene_id)
        error = await refused(shared, made.id, "restoreScene", sceneId=scene_id, jobId=another.id)
        assert error == missing("sceneId", scene_id, code="SCENE_NOT_IN_JOB")
        version = (await read_scene(shared, scene_id, "version"))["version"]
        error = await refused(shared, made.id, "restoreScene", sceneId=scene_id, expectedVersion=version + 1)
        assert error == stale(version)
        await accepted(shared, "restoreScene", sceneId=scene_id, expectedVersion=version)


async def test_restore_after_the_recovery_window_is_refused(tmp_path: Path) -> None:
    """Even before the purge; RESTORE is not offered."""
    async with running(tmp_path, recovery_window_seconds=0) as app:
        made = await a_job_of(app, "COMPLETED", "COMPLETED")
        await accepted(app, "deleteScene", sceneId=made.scenes[0])
        assert (await read_scene(app, made.scenes[0], "availableActions")) == {"availableActions": []}
        error = await refused(app, made.id, "restoreScene", sceneId=made.scenes[0])
        assert error == state("RECOVERY_EXPIRED", "sceneId")
        await accepted(app, "deleteJob", jobId=made.id)
        assert await refused(app, made.id, "restoreJob", jobId=made.id) == state("RECOVERY_EXPIRED", "jobId")


async def newest_job_ids(app: App, *, deleted: bool) -> list[str]:
    """Return the ids of the newest jobs."""
    document = "query($all: Boolean!) { jobs(first: 5, includeDeleted: $all) { nodes { id } } }"
    return [job["id"] for job in (await app.execute(document, all=deleted))["jobs"]["nodes"]]


def without_versions_and_times(job: Json) -> Json:
    """Return a job without versions, instants of change and events."""
    bare = {name: value for name, value in job.items() if name not in ("version", "updatedAt", "events")}
    bare["progress"] = {name: value for name, value in job["progress"].items() if name != "version"}
    scenes = [dict(scene) for scene in job["scenes"]["nodes"]]
    for scene in scenes:
        del scene["version"], scene["updatedAt"]
    return bare | {"scenes": scenes}
