"""Batches: the same mutation of many scenes, all or nothing or best effort."""

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_JOB, NO_SCENE, a_job, a_job_of, accepted
from tests.support.queries import EVERYTHING, changes, invalid, log, missing, play_order, read_scene, stale, state
from tests.support.scene_batches import BATCHES, batch, scenes_for
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]


def aborted(*path: str) -> Json:
    """Return the error of a valid scene in a batch that was refused because of another scene."""
    return invalid(*path, code="BATCH_ABORTED")


class TestByIds:
    """Batches that name scenes by id."""

    @pytest.mark.parametrize("name", sorted(BATCHES))
    async def test_batch_changes_scenes_in_the_order_of_its_ids(self, shared: App, name: str) -> None:
        """One event and one version per scene."""
        made = await scenes_for(shared, name)
        version = (await jobs.job(shared, made.id, "version"))["version"]
        order = jobs.seeded(name).sample(made.scenes, len(made.scenes))
        payload = await batch(shared, name, jobId=made.id, sceneIds=order)
        assert [result["sceneId"] for result in payload["results"]] == order
        assert (payload["succeeded"], payload["errors"], payload["dryRun"]) == (len(order), [], False)
        happened = await log(shared, made.id, after=version)
        assert [event for event in happened if event[1] is not None] == [(BATCHES[name][0], each) for each in order]
        assert {kind for kind, scene_id in happened if scene_id is None} <= {"JOB_SETTLED"}

    async def test_batches_delete_and_restore_two_hundred_scenes(self, shared: App) -> None:
        """As many as a job can have; a restore brings back the play order."""
        names = [f"Scene {number}" for number in range(200)]
        made = await a_job(shared, *names)
        rng = jobs.seeded("two hundred")
        for name, left in (("deleteScenes", []), ("restoreScenes", names)):
            payload = await batch(shared, name, jobId=made.id, sceneIds=rng.sample(made.scenes, 200))
            assert payload["succeeded"] == 200
            assert await play_order(shared, made.id) == left

    async def test_batch_returns_the_error_of_each_refused_scene(self, shared: App) -> None:
        """Another job, a missing scene, a duplicate, a wrong status, a deleted scene."""
        made = await a_job_of(shared, "COMPLETED", "PENDING", "COMPLETED", "COMPLETED")
        await accepted(shared, "cancelJob", jobId=made.id)
        await accepted(shared, "deleteScene", sceneId=made.scenes[3])
        await accepted(shared, "regenerateScene", sceneId=made.scenes[1])
        another = await a_job_of(shared, "COMPLETED")
        good, opened, also_good, deleted = made.scenes
        named = [good, opened, good, another.scenes[0], NO_SCENE, deleted, "a\0b", also_good]
        bad = {
            1: state("NOT_REGENERABLE", "", "PENDING", "PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELED"),
            2: invalid(),
            3: missing("", another.scenes[0], code="SCENE_NOT_IN_JOB"),
            4: missing("", NO_SCENE),
            5: state("ALREADY_DELETED", ""),
            6: missing("", "a\0b"),
        }
        errors = {place: error | {"path": ["input", "sceneIds", str(place)]} for place, error in bad.items()}
        before = await jobs.job(shared, made.id, EVERYTHING)
        payload = await batch(shared, "regenerateScenes", jobId=made.id, sceneIds=named)
        whole = [[errors.get(place, aborted("sceneIds", str(place)))] for place in range(len(named))]
        assert [result["errors"] for result in payload["results"]] == whole
        assert await jobs.job(shared, made.id, EVERYTHING) == before
        payload = await batch(shared, "regenerateScenes", jobId=made.id, sceneIds=named, policy="BEST_EFFORT")
        assert [result["errors"] for result in payload["results"]] == [
            [errors[place]] if place in errors else [] for place in range(len(named))
        ]
        happened = await log(shared, made.id, after=before["version"])
        assert happened == [("SCENE_REGENERATED", good), ("SCENE_REGENERATED", also_good)]

    async def test_batch_without_valid_scenes_changes_nothing(self, shared: App) -> None:
        """With best effort as well: no event, no version."""
        made = await a_job_of(shared, "COMPLETED", "FAILED")
        before = await jobs.job(shared, made.id, EVERYTHING)
        payload = await batch(shared, "cancelScenes", jobId=made.id, sceneIds=made.scenes, policy="BEST_EFFORT")
        assert payload["failed"] == 2
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    async def test_cancel_batch_of_canceled_scenes_is_a_no_op(self, shared: App) -> None:
        """It succeeds without an event, like cancelScene."""
        made = await a_job_of(shared, "CANCELED", "CANCELED")
        before = await jobs.job(shared, made.id, EVERYTHING)
        assert (await batch(shared, "cancelScenes", jobId=made.id, sceneIds=made.scenes))["succeeded"] == 2
        assert await jobs.job(shared, made.id, EVERYTHING) == before


class TestByStatus:
    """Batches that name scenes by status, as of the moment of the request."""

    @pytest.mark.parametrize("name", sorted(BATCHES))
    async def test_batch_by_status_takes_scenes_in_play_order(self, shared: App, name: str) -> None:
        """A restore takes deleted scenes; each refused scene has its own error."""
        made = await scenes_for(shared, name)
        _, statuses = BATCHES[name]
        payload = await batch(shared, name, jobId=made.id, status=statuses[:2])
        places = [place for place in range(len(made.scenes)) if place % len(statuses) < 2]
        assert [result["sceneId"] for result in payload["results"]] == [made.scenes[place] for place in places]
        assert payload["succeeded"] == len(places)

    async def test_batch_by_status_without_matching_scenes_is_empty(self, shared: App) -> None:
        """No results and no errors."""
        made = await a_job_of(shared, "COMPLETED")
        payload = await batch(shared, "regenerateScenes", jobId=made.id, status=["FAILED"])
        assert (payload["results"], payload["errors"]) == ([], [])

    async def test_regenerate_batch_renders_failed_scenes_again(self, shared: App) -> None:
        """A front end's retry button: the embedded workers complete the job."""
        made = await jobs.make(
            shared, jobs.scene(outcome="fail", retryable=False, steps=1), jobs.scene(steps=1), start=True
        )
        assert await jobs.settled(shared, made.id) == "FAILED"
        await accepted(shared, "updateScene", sceneId=made.scenes[0], metadata={"script": {"steps": 1}})
        await batch(shared, "regenerateScenes", jobId=made.id, status=["FAILED"])
        assert await jobs.settled(shared, made.id) == "COMPLETED"

    @pytest.mark.sqlite_alone
    async def test_error_of_a_batch_by_status_has_the_path_of_the_status(self, shared: App) -> None:
        """The input has no id to point at."""
        made = await a_job_of(shared, "COMPLETED", "PENDING")
        payload = await batch(shared, "deleteScenes", jobId=made.id, status=["COMPLETED"])
        assert payload["results"][0]["errors"] == [state("JOB_PROCESSING", "status")]


class TestUpdateScenes:
    """updateScenes: each scene has its own edits."""

    async def test_update_batch_applies_edits_and_reports(self, shared: App) -> None:
        """Like updateScene, one event each; an unchanged scene has none."""
        made = await a_job_of(shared, "PENDING", "PROCESSING", "COMPLETED", "PENDING")
        version = (await jobs.job(shared, made.id, "version"))["version"]
        edits: list[Json] = [
            {"title": "First", "prompt": "A red kite"},
            {"status": "COMPLETED", "outputUrl": "https://clips.test/2.mp4", "jobId": made.id},
            {"status": "COMPLETED"},
            {"status": "FAILED", "failure": {"code": "NSFW", "message": "No"}},
        ]
        scenes = [{"sceneId": scene_id, **edit} for scene_id, edit in zip(made.scenes, edits, strict=True)]
        payload = await batch(shared, "updateScenes", jobId=made.id, scenes=scenes)
        assert [result["scene"]["status"] for result in payload["results"]] == [
            "PENDING",
            "COMPLETED",
            "COMPLETED",
            "FAILED",
        ]
        assert await changes(shared, made.id, version) == [
            ("SCENE_UPDATED", ["title", "prompt"]),
            ("SCENE_COMPLETED", ["status", "output"]),
            ("SCENE_FAILED", ["status"]),
        ]

    @pytest.mark.sqlite_alone
    async def test_update_batch_returns_all_errors_of_each_scene(self, shared: App) -> None:
        """With the path of each field in the input."""
        made, another = await a_job_of(shared, "PENDING", "COMPLETED", "PENDING", "PENDING"), await a_job(shared)
        version = (await read_scene(shared, made.scenes[2], "version"))["version"]
        scenes: list[Json] = [
            {"sceneId": made.scenes[0], "prompt": "", "durationSeconds": 61},
            {"sceneId": made.scenes[1], "status": "FAILED"},
            {"sceneId": made.scenes[2], "title": "New", "expectedVersion": version + 1},
            {"sceneId": made.scenes[3], "title": "New", "jobId": another.id},
            {"sceneId": made.scenes[3], "title": "New"},
            {"sceneId": NO_SCENE},
        ]
        before = await jobs.job(shared, made.id, EVERYTHING)
        payload = await batch(shared, "updateScenes", jobId=made.id, scenes=scenes, policy="BEST_EFFORT")
        assert [result["errors"] for result in payload["results"]] == [
            [invalid("scenes", "0", "prompt"), invalid("scenes", "0", "durationSeconds")],
            [state("INVALID_TRANSITION", "", "COMPLETED", "FAILED") | {"path": ["input", "scenes", "1", "status"]}],
            [stale(version) | {"path": ["input", "scenes", "2", "expectedVersion"]}],
            [missing("", made.scenes[3], code="SCENE_NOT_IN_JOB") | {"path": ["input", "scenes", "3", "jobId"]}],
            [invalid("scenes", "4", "sceneId")],
            [missing("", NO_SCENE) | {"path": ["input", "scenes", "5", "sceneId"]}],
        ]
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    async def test_refused_scene_of_an_update_batch_changes_nothing(self, shared: App) -> None:
        """Not even the start of the job that a valid report would cause."""
        made = await a_job(shared, "One", "Two")
        scenes: list[Json] = [
            {"sceneId": made.scenes[0], "status": "PROCESSING", "failure": {"code": "X", "message": "Y"}},
            {"sceneId": made.scenes[1], "title": "New"},
        ]
        payload = await batch(shared, "updateScenes", jobId=made.id, scenes=scenes, policy="BEST_EFFORT")
        assert (payload["succeeded"], payload["job"]["status"]) == (1, "PENDING")
        assert await log(shared, made.id, after=1) == [("SCENE_UPDATED", made.scenes[1])]


class TestBatchRequest:
    """Refusals of the whole request, before any scene is read."""

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize("name", sorted(BATCHES))
    async def test_batch_needs_either_ids_or_statuses_of_scenes(self, shared: App, name: str) -> None:
        """Exactly one of the two, neither empty nor more than 200."""
        made = await a_job(shared, "One")
        named, limit = made.scenes, "LIMIT_EXCEEDED"
        wrong: list[tuple[Json, Json]] = [
            ({}, invalid("sceneIds")),
            ({"sceneIds": named, "status": ["PENDING"]}, invalid("sceneIds")),
            ({"sceneIds": []}, invalid("sceneIds")),
            ({"status": []}, invalid("status")),
            ({"sceneIds": named * 201}, invalid("sceneIds", code=limit)),
            ({"sceneIds": named, "idempotencyKey": ""}, invalid("idempotencyKey")),
        ]
        for fields, error in wrong:
            payload = await batch(shared, name, jobId=made.id, **fields)
            assert (payload["errors"], payload["results"], payload["job"]) == ([error], [], None), fields
        payload = await batch(shared, name, jobId=NO_JOB, sceneIds=made.scenes)
        assert payload["errors"] == [missing("jobId", NO_JOB)]

    @pytest.mark.sqlite_alone
    async def test_update_batch_needs_one_to_two_hundred_scenes(self, shared: App) -> None:
        """Both limits are checked."""
        made = await a_job(shared, "One")
        scenes: list[Json] = [{"sceneId": made.scenes[0], "title": "New"}]
        for number, error in ((0, invalid("scenes")), (201, invalid("scenes", code="LIMIT_EXCEEDED"))):
            payload = await batch(shared, "updateScenes", jobId=made.id, scenes=scenes * number)
            assert payload["errors"] == [error]
