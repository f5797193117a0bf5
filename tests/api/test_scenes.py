"""What can be done to a scene, and what is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_JOB, NO_SCENE, REPORTS_TO_REACH, a_job, a_job_of, a_scene, accepted, report
from tests.support.queries import EVERYTHING, changes, invalid, log, missing, read_scene, refused, stale, state
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIP = "https://clips.test/kite.mp4"
# Every verb of a scene, with what else it needs, and a status that it accepts.
VERBS: dict[str, tuple[str, Json]] = {
    "updateScene": ("PENDING", {"title": "New"}),
    "regenerateScene": ("COMPLETED", {}),
    "cancelScene": ("PENDING", {}),
    "deleteScene": ("COMPLETED", {}),
    "moveScene": ("PENDING", {"position": 0}),
}


async def play_order(app: App, job_id: str) -> list[tuple[int, str]]:
    """Position and prompt of each live scene as they are listed."""
    job = await jobs.job(app, job_id, "scenes { nodes { position prompt } }")
    return [(scene["position"], scene["prompt"]) for scene in job["scenes"]["nodes"]]


class TestAdd:
    """A scene joins a job."""

    async def test_at_the_end(self, shared: App) -> None:
        """When no position is given."""
        made = await a_job(shared, "One")
        payload = await accepted(
            shared,
            "addScene",
            "scene { position prompt title durationSeconds metadata status version } job { version status }",
            jobId=made.id,
            scene={"prompt": "Two", "title": "Second", "durationSeconds": 60, "metadata": {"a": None}},
        )
        assert payload == {
            "scene": {
                "position": 1,
                "prompt": "Two",
                "title": "Second",
                "durationSeconds": 60.0,
                "metadata": {"a": None},
                "status": "PENDING",
                "version": 2,
            },
            "job": {"version": 2, "status": "PENDING"},
        }
        assert await changes(shared, made.id, 1) == [("SCENE_ADDED", ["scenes"])]

    @pytest.mark.parametrize("position", [0, 1, 2])
    async def test_at_a_position(self, shared: App, position: int) -> None:
        """What comes after makes room; it has changed with the same event."""
        made = await a_job(shared, "One", "Two")
        await accepted(shared, "addScene", jobId=made.id, scene={"prompt": "New"}, position=position)
        expected = ["One", "Two"]
        expected.insert(position, "New")
        assert await play_order(shared, made.id) == list(enumerate(expected))
        versions = [(await read_scene(shared, scene_id, "version"))["version"] for scene_id in made.scenes]
        assert versions == [2 if place >= position else 1 for place in (0, 1)]

    @pytest.mark.parametrize("position", [-1, 3, 2**31 - 1])
    async def test_a_position_beyond_the_end_is_refused(self, shared: App, position: int) -> None:
        """Positions are dense."""
        made = await a_job(shared, "One", "Two")
        error = await refused(shared, made.id, "addScene", jobId=made.id, scene={"prompt": "New"}, position=position)
        assert error == invalid("position")

    async def test_a_full_job_is_refused(self, shared: App) -> None:
        """Two hundred are the most; where one was deleted there is room again."""
        made = await a_job(shared, *(f"Scene {number}" for number in range(200)))
        error = await refused(shared, made.id, "addScene", jobId=made.id, scene={"prompt": "New"})
        assert error == invalid("jobId", code="LIMIT_EXCEEDED")
        await accepted(shared, "deleteScene", sceneId=made.scenes[7])
        payload = await accepted(shared, "addScene", "scene { position }", jobId=made.id, scene={"prompt": "New"})
        assert payload == {"scene": {"position": 199}}


class TestUpdate:
    """A scene is edited, or reported on."""

    async def test_what_it_shows(self, shared: App) -> None:
        """Title, prompt, length and metadata, in one event that names them."""
        made = await a_job(shared, "One")
        fields: Json = {"title": "First", "prompt": "Eins\nZwei", "durationSeconds": 0.5, "metadata": {"b": [1]}}
        payload = await accepted(
            shared,
            "updateScene",
            "scene { title prompt durationSeconds metadata version status }",
            sceneId=made.scenes[0],
            **fields,
        )
        assert payload["scene"] == fields | {"version": 2, "status": "PENDING"}
        assert await changes(shared, made.id, 1) == [
            ("SCENE_UPDATED", ["title", "prompt", "durationSeconds", "metadata"])
        ]

    async def test_null_clears_the_title(self, shared: App) -> None:
        """And only what is given is touched."""
        made = await a_job(shared, scenes=[{"prompt": "One", "title": "First"}])
        payload = await accepted(shared, "updateScene", "scene { title prompt }", sceneId=made.scenes[0], title=None)
        assert payload["scene"] == {"title": None, "prompt": "One"}

    @pytest.mark.parametrize("field", ["prompt", "durationSeconds", "metadata", "status"])
    async def test_null_is_refused_where_there_must_be_something(self, shared: App, field: str) -> None:
        """With the name of the field."""
        made = await a_job(shared, "One")
        error = await refused(shared, made.id, "updateScene", sceneId=made.scenes[0], **{field: None})
        assert error == invalid(field)

    async def test_the_same_again_is_no_change(self, shared: App) -> None:
        """No event, whatever is repeated."""
        made = await a_job(shared, scenes=[{"prompt": "One", "title": "First", "metadata": {"a": 1}}])
        await report(shared, made.scenes[0], "COMPLETED", providerId="replicate-xyz", outputUrl=CLIP)
        before = await jobs.job(shared, made.id, EVERYTHING)
        same: Json = {"prompt": "One", "title": "First", "metadata": {"a": 1}, "durationSeconds": 5}
        reported: Json = {"status": "COMPLETED", "providerId": "replicate-xyz", "outputUrl": CLIP, "percentage": 100}
        for fields in (same, reported, same | reported, {}):
            await accepted(shared, "updateScene", sceneId=made.scenes[0], **fields)
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    async def test_a_finished_scene_can_still_be_edited(self, shared: App) -> None:
        """Its take keeps the prompt that it was made from."""
        made = await a_job_of(shared, "COMPLETED")
        payload = await accepted(
            shared, "updateScene", "scene { prompt currentTake { prompt } }", sceneId=made.scenes[0], prompt="Edited"
        )
        assert payload["scene"] == {"prompt": "Edited", "currentTake": {"prompt": "Scene 0"}}

    async def test_the_way_of_a_worker(self, shared: App) -> None:
        """Taken up, got on with, completed: every report is there, and a percentage alone is no event."""
        made = await a_job(shared, "One")
        scene_id = made.scenes[0]
        await report(shared, scene_id, "PROCESSING", providerId="replicate-xyz", percentage=10)
        assert await read_scene(shared, scene_id, "status providerId percentage attempts version output { url }") == {
            "status": "PROCESSING",
            "providerId": "replicate-xyz",
            "percentage": 10.0,
            "attempts": 1,
            "version": 3,
            "output": None,
        }
        for told, stands in ((40, 40.0), (20, 40.0), (99.5, 99.5)):
            payload = await accepted(
                shared, "updateScene", "scene { percentage version } job { version }", sceneId=scene_id, percentage=told
            )
            assert payload == {"scene": {"percentage": stands, "version": 3}, "job": {"version": 3}}
        await report(shared, scene_id, "COMPLETED", outputUrl=CLIP)
        scene = await read_scene(shared, scene_id, "status output { url contentType } failure { code } finishedAt")
        assert scene.pop("finishedAt") is not None
        assert scene == {
            "status": "COMPLETED",
            "output": {"url": CLIP, "contentType": "video/mp4"},
            "failure": None,
        }
        assert await changes(shared, made.id, 1) == [
            ("JOB_STARTED", ["status", "startedAt"]),
            ("SCENE_STARTED", ["status", "providerId"]),
            ("SCENE_COMPLETED", ["status", "output"]),
            ("JOB_SETTLED", ["status", "finishedAt", "outputFailure"]),
        ]

    async def test_a_failure_is_told(self, shared: App) -> None:
        """In the words of the worker, on the scene and on its take."""
        made = await a_job(shared, "One")
        failure: Json = {"code": "NSFW", "message": "The prompt\nis not allowed", "retryable": True}
        await report(shared, made.scenes[0], "PROCESSING", "FAILED", failure=failure)
        selection = "failure { code message retryable occurredAt } finishedAt"
        scene = await read_scene(shared, made.scenes[0], f"{selection} currentTake {{ {selection} }}")
        told = {"failure": failure | {"occurredAt": scene["finishedAt"]}, "finishedAt": scene["finishedAt"]}
        assert scene == told | {"currentTake": told}

    async def test_a_failure_without_a_reason_gets_one(self, shared: App) -> None:
        """So that every failed scene says something."""
        made = await a_job_of(shared, "FAILED")
        assert await read_scene(shared, made.scenes[0], "failure { code message retryable }") == {
            "failure": {"code": "REPORTED_FAILURE", "message": "The worker reported a failure.", "retryable": False}
        }

    async def test_the_kind_of_a_clip_is_told_by_its_name(self, shared: App) -> None:
        """Whatever is asked after its path."""
        made = await a_job(shared, "One")
        await report(shared, made.scenes[0], "PROCESSING", outputUrl="https://clips.test/kite.webm?token=x.mp4")
        output = await read_scene(shared, made.scenes[0], "output { contentType }")
        assert output == {"output": {"contentType": "video/webm"}}

    @pytest.mark.parametrize(
        ("current", "fields", "field"),
        [
            ("PENDING", {"percentage": 50}, "percentage"),
            ("PENDING", {"status": "COMPLETED", "percentage": 50}, "percentage"),
            ("PROCESSING", {"failure": {"code": "X", "message": "Y"}}, "failure"),
            ("PROCESSING", {"status": "COMPLETED", "failure": {"code": "X", "message": "Y"}}, "failure"),
            ("PENDING", {"outputUrl": CLIP}, "outputUrl"),
            ("PROCESSING", {"status": "FAILED", "outputUrl": CLIP}, "outputUrl"),
            ("COMPLETED", {"outputUrl": CLIP}, "outputUrl"),
            ("COMPLETED", {"providerId": "another"}, "providerId"),
            ("FAILED", {"providerId": "another"}, "providerId"),
            ("CANCELED", {"providerId": "another"}, "providerId"),
        ],
    )
    async def test_a_report_that_does_not_fit_is_refused(
        self, shared: App, current: str, fields: Json, field: str
    ) -> None:
        """With the field that does not go with where the scene is."""
        job_id, scene_id = await a_scene(shared, current)
        assert await refused(shared, job_id, "updateScene", sceneId=scene_id, **fields) == invalid(field)


class TestRegenerate:
    """A finished scene is rendered anew."""

    async def test_what_the_last_take_had_is_cleared_and_kept(self, shared: App) -> None:
        """The scene starts again with a new take; the earlier one is as it was."""
        made = await a_job(shared, "One")
        scene_id = made.scenes[0]
        await report(
            shared, scene_id, "PROCESSING", "COMPLETED", providerId="replicate-1", outputUrl=CLIP, title="Title"
        )
        before = await read_scene(shared, scene_id)
        payload = await accepted(
            shared, "regenerateScene", "scene { id } job { status version }", sceneId=scene_id, prompt="Better"
        )
        version = before["version"] + 2
        assert payload == {"scene": {"id": scene_id}, "job": {"status": "PROCESSING", "version": version}}
        after = await read_scene(shared, scene_id)
        new, old = after["takes"]
        assert old == before["takes"][0] | {"isCurrent": False}
        created = new.pop("createdAt")
        assert new == {
            "id": after["currentTake"]["id"],
            "number": 2,
            "reason": "REGENERATE",
            "prompt": "Better",
            "status": "PENDING",
            "provider": "external",
            "providerId": None,
            "output": None,
            "poster": None,
            "failure": None,
            "isCurrent": True,
            "startedAt": None,
            "finishedAt": None,
        }
        assert before["percentage"] == 100
        assert after == before | {
            "status": "PENDING",
            "prompt": "Better",
            "percentage": None,
            "providerId": None,
            "output": None,
            "attempts": 1,
            "maxAttempts": 4,
            "currentTake": after["currentTake"],
            "takes": after["takes"],
            "availableActions": ["UPDATE", "MOVE", "CANCEL"],
            "allowedTransitions": ["PROCESSING", "COMPLETED", "FAILED", "CANCELED"],
            "version": version,
            "updatedAt": created,
            "startedAt": None,
            "finishedAt": None,
        }
        happened = await changes(shared, made.id, version - 1)
        changed = ["status", "output", "providerId", "failure", "percentage", "prompt", "outputFailure"]
        assert happened == [("SCENE_REGENERATED", changed)]

    @pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELED"])
    async def test_from_every_end(self, shared: App, status: str) -> None:
        """Without a prompt it stays the same."""
        _, scene_id = await a_scene(shared, status)
        payload = await accepted(
            shared, "regenerateScene", "scene { status prompt failure { code } takes { number } }", sceneId=scene_id
        )
        assert payload["scene"] == {
            "status": "PENDING",
            "prompt": "A kite",
            "failure": None,
            "takes": [{"number": 2}, {"number": 1}],
        }

    @pytest.mark.parametrize(
        ("status", "allowed"),
        [
            ("PENDING", ["PROCESSING", "COMPLETED", "FAILED", "CANCELED"]),
            ("PROCESSING", ["COMPLETED", "FAILED", "CANCELED"]),
        ],
    )
    async def test_an_open_scene_is_refused(self, shared: App, status: str, allowed: list[str]) -> None:
        """It must be finished first."""
        job_id, scene_id = await a_scene(shared, status)
        error = await refused(shared, job_id, "regenerateScene", sceneId=scene_id)
        assert error == state("NOT_REGENERABLE", "sceneId", status, "PENDING", *allowed)

    async def test_a_canceled_scene_of_a_job_that_was_not_started(self, shared: App) -> None:
        """The job stays a storyboard."""
        made = await a_job(shared, "One")
        await accepted(shared, "cancelScene", sceneId=made.scenes[0])
        payload = await accepted(
            shared, "regenerateScene", "scene { status queuePosition } job { status }", sceneId=made.scenes[0]
        )
        assert payload == {"scene": {"status": "PENDING", "queuePosition": None}, "job": {"status": "PENDING"}}


class TestCancel:
    """An open scene is given up."""

    @pytest.mark.parametrize("status", ["PENDING", "PROCESSING"])
    async def test_an_open_scene(self, shared: App, status: str) -> None:
        """It and its take are canceled, the others go on."""
        made = await a_job_of(shared, "PROCESSING", status)
        payload = await accepted(
            shared, "cancelScene", "scene { status currentTake { status } } job { status }", sceneId=made.scenes[1]
        )
        assert payload == {
            "scene": {"status": "CANCELED", "currentTake": {"status": "CANCELED"}},
            "job": {"status": "PROCESSING"},
        }
        assert (await log(shared, made.id))[-1] == ("SCENE_CANCELED", made.scenes[1])

    async def test_in_a_job_that_was_not_started(self, shared: App) -> None:
        """The job stays as it is."""
        made = await a_job(shared, "One", "Two")
        payload = await accepted(shared, "cancelScene", "scene { status } job { status }", sceneId=made.scenes[0])
        assert payload == {"scene": {"status": "CANCELED"}, "job": {"status": "PENDING"}}

    async def test_canceled_again_it_is_left_as_it_is(self, shared: App) -> None:
        """No event."""
        made = await a_job_of(shared, "CANCELED")
        before = await jobs.job(shared, made.id, EVERYTHING)
        await accepted(shared, "cancelScene", sceneId=made.scenes[0])
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    @pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
    async def test_a_finished_scene_is_refused(self, shared: App, status: str) -> None:
        """There is nothing left to give up; the path is one of this input."""
        job_id, scene_id = await a_scene(shared, status)
        error = await refused(shared, job_id, "cancelScene", sceneId=scene_id)
        assert error == state("INVALID_TRANSITION", "sceneId", status, "CANCELED")


class TestDelete:
    """A scene is taken out, recoverable for a while."""

    @pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELED"])
    async def test_from_a_settled_job(self, shared: App, status: str) -> None:
        """It is hidden, and says until when it could come back: seven days."""
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

    async def test_those_after_it_close_the_gap(self, shared: App) -> None:
        """With the same event."""
        made = await a_job(shared, "One", "Two", "Three", "Four")
        await accepted(shared, "deleteScene", sceneId=made.scenes[1])
        assert await play_order(shared, made.id) == [(0, "One"), (1, "Three"), (2, "Four")]
        assert await changes(shared, made.id, 1) == [("SCENE_DELETED", ["deletedAt"])]
        versions = [(await read_scene(shared, scene_id, "version"))["version"] for scene_id in made.scenes]
        assert versions == [1, 2, 2, 2]

    @pytest.mark.parametrize("status", sorted(REPORTS_TO_REACH))
    async def test_refused_while_the_job_is_processing(self, shared: App, status: str) -> None:
        """Whatever the scene itself is; after a cancel of the job it is accepted."""
        made = await a_job_of(shared, "PROCESSING", status)
        error = await refused(shared, made.id, "deleteScene", sceneId=made.scenes[1])
        assert error == state("JOB_PROCESSING", "sceneId")
        await accepted(shared, "cancelJob", jobId=made.id)
        await accepted(shared, "deleteScene", sceneId=made.scenes[1])

    @pytest.mark.parametrize("name", sorted(VERBS))
    async def test_a_deleted_scene_refuses_everything(self, shared: App, name: str) -> None:
        """But to be restored; also to be deleted again."""
        made = await a_job(shared, "One", "Two")
        await accepted(shared, "deleteScene", sceneId=made.scenes[0])
        error = await refused(shared, made.id, name, sceneId=made.scenes[0], **VERBS[name][1])
        assert error == state("ALREADY_DELETED", "sceneId")


@pytest.mark.both_databases
class TestMove:
    """The play order is changed."""

    @pytest.mark.parametrize(("start", "end"), [(0, 3), (3, 0), (1, 2), (2, 1), (0, 1)])
    async def test_the_others_make_room(self, shared: App, start: int, end: int) -> None:
        """One event; the scenes in between have changed with it, those outside have not."""
        names = ["One", "Two", "Three", "Four"]
        made = await a_job(shared, *names)
        payload = await accepted(
            shared, "moveScene", "scene { position version }", sceneId=made.scenes[start], position=end
        )
        assert payload == {"scene": {"position": end, "version": 2}}
        names.insert(end, names.pop(start))
        assert await play_order(shared, made.id) == list(enumerate(names))
        assert await changes(shared, made.id, 1) == [("SCENES_REORDERED", ["position"])]
        versions = [(await read_scene(shared, scene_id, "version"))["version"] for scene_id in made.scenes]
        low, high = sorted((start, end))
        assert versions == [2 if low <= place <= high else 1 for place in range(4)]

    async def test_any_way_they_stay_dense(self, shared: App) -> None:
        """Moves, additions and deletions in any order, as they would go in a list."""
        chance = jobs.seeded("play order")
        made = await a_job(shared, "One", "Two", "Three")
        model: dict[str, str] = dict(zip(made.scenes, ("One", "Two", "Three"), strict=True))
        order = list(made.scenes)
        for number in range(40):
            match chance.choice(["move", "move", "add", "delete"]):
                case "add":
                    place = chance.randint(0, len(order))
                    payload = await accepted(
                        shared,
                        "addScene",
                        "scene { id }",
                        jobId=made.id,
                        scene={"prompt": f"New {number}"},
                        position=place,
                    )
                    order.insert(place, payload["scene"]["id"])
                    model[payload["scene"]["id"]] = f"New {number}"
                case "delete" if len(order) > 1:
                    scene_id = order.pop(chance.randrange(len(order)))
                    await accepted(shared, "deleteScene", sceneId=scene_id)
                case _:
                    scene_id = order.pop(chance.randrange(len(order)))
                    place = chance.randint(0, len(order))
                    order.insert(place, scene_id)
                    await accepted(shared, "moveScene", sceneId=scene_id, position=place)
            assert await play_order(shared, made.id) == [
                (place, model[scene_id]) for place, scene_id in enumerate(order)
            ]

    async def test_to_where_it_is_it_is_left(self, shared: App) -> None:
        """No event."""
        made = await a_job(shared, "One", "Two")
        await accepted(shared, "moveScene", sceneId=made.scenes[1], position=1)
        assert await log(shared, made.id, after=1) == []

    @pytest.mark.parametrize("position", [-1, 2, 2**31 - 1])
    async def test_a_place_that_is_not_there_is_refused(self, shared: App, position: int) -> None:
        """Positions are dense among the live scenes."""
        made = await a_job(shared, "One", "Two", "Three")
        await accepted(shared, "deleteScene", sceneId=made.scenes[2])
        error = await refused(shared, made.id, "moveScene", sceneId=made.scenes[0], position=position)
        assert error == invalid("position")


class TestTheWrongScene:
    """What every mutation of a scene refuses."""

    @pytest.mark.parametrize("name", sorted(VERBS))
    async def test_one_that_is_not_there(self, shared: App, name: str) -> None:
        """With and without the right job."""
        job_id, _ = await a_scene(shared)
        for more in ({}, {"jobId": job_id}):
            error = await refused(shared, job_id, name, sceneId=NO_SCENE, **VERBS[name][1], **more)
            assert error == missing("sceneId", NO_SCENE)

    @pytest.mark.parametrize("name", sorted(VERBS))
    async def test_one_of_a_job_that_is_not_there(self, shared: App, name: str) -> None:
        """The job is what is missing."""
        status, fields = VERBS[name]
        job_id, scene_id = await a_scene(shared, status)
        error = await refused(shared, job_id, name, sceneId=scene_id, jobId=NO_JOB, **fields)
        assert error == missing("jobId", NO_JOB)

    @pytest.mark.parametrize("name", sorted(VERBS))
    async def test_one_of_another_job(self, shared: App, name: str) -> None:
        """A code of its own, and neither job has changed."""
        status, fields = VERBS[name]
        another, _ = await a_scene(shared)
        job_id, scene_id = await a_scene(shared, status)
        before = await jobs.job(shared, another, EVERYTHING)
        error = await refused(shared, job_id, name, sceneId=scene_id, jobId=another, **fields)
        assert error == missing("sceneId", scene_id, code="SCENE_NOT_IN_JOB")
        assert await jobs.job(shared, another, EVERYTHING) == before

    @pytest.mark.parametrize("name", sorted(VERBS))
    async def test_one_that_has_changed_since(self, shared: App, name: str) -> None:
        """It is the version of the scene that counts, not that of its job."""
        status, fields = VERBS[name]
        job_id, scene_id = await a_scene(shared, status)
        await accepted(shared, "updateScene", sceneId=scene_id, title="Changed meanwhile")
        version = (await read_scene(shared, scene_id, "version"))["version"]
        await jobs.retitle(shared, job_id, "Its job as well")
        for wrong in (version - 1, version + 1, -1):
            error = await refused(shared, job_id, name, sceneId=scene_id, expectedVersion=wrong, **fields)
            assert error == stale(version)
        await accepted(shared, name, sceneId=scene_id, expectedVersion=version, **fields)
