"""Adding and moving scenes: positions in the play order stay dense."""

import pytest

from tests.support import jobs
from tests.support.factories import (
    a_job,
    accepted,
)
from tests.support.queries import changes, invalid, log, positions_and_prompts, read_scene, refused
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestAdd:
    """addScene."""

    async def test_scene_is_added_at_the_end_by_default(self, shared: App) -> None:
        """The payload holds the whole scene; one event is recorded."""
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
    async def test_scene_is_added_at_a_position(self, shared: App, position: int) -> None:
        """The scenes after it move by one, in the same event."""
        made = await a_job(shared, "One", "Two")
        await accepted(shared, "addScene", jobId=made.id, scene={"prompt": "New"}, position=position)
        expected = ["One", "Two"]
        expected.insert(position, "New")
        assert await positions_and_prompts(shared, made.id) == list(enumerate(expected))
        versions = [(await read_scene(shared, scene_id, "version"))["version"] for scene_id in made.scenes]
        assert versions == [2 if place >= position else 1 for place in (0, 1)]

    @pytest.mark.parametrize("position", [-1, 3, 2**31 - 1])
    async def test_add_of_a_scene_beyond_the_end_is_refused(self, shared: App, position: int) -> None:
        """Positions are dense."""
        made = await a_job(shared, "One", "Two")
        error = await refused(shared, made.id, "addScene", jobId=made.id, scene={"prompt": "New"}, position=position)
        assert error == invalid("position")

    async def test_add_of_a_scene_to_a_full_job_is_refused(self, shared: App) -> None:
        """A job has at most 200 live scenes; a deleted scene makes room."""
        made = await a_job(shared, *(f"Scene {number}" for number in range(200)))
        error = await refused(shared, made.id, "addScene", jobId=made.id, scene={"prompt": "New"})
        assert error == invalid("jobId", code="LIMIT_EXCEEDED")
        await accepted(shared, "deleteScene", sceneId=made.scenes[7])
        payload = await accepted(shared, "addScene", "scene { position }", jobId=made.id, scene={"prompt": "New"})
        assert payload == {"scene": {"position": 199}}


@pytest.mark.both_databases
class TestMove:
    """moveScene."""

    @pytest.mark.parametrize(("start", "end"), [(0, 3), (3, 0), (1, 2), (2, 1), (0, 1)])
    async def test_move_of_a_scene_shifts_the_scenes_in_between(self, shared: App, start: int, end: int) -> None:
        """One event; the scenes outside the range keep their version."""
        names = ["One", "Two", "Three", "Four"]
        made = await a_job(shared, *names)
        payload = await accepted(
            shared, "moveScene", "scene { position version }", sceneId=made.scenes[start], position=end
        )
        assert payload == {"scene": {"position": end, "version": 2}}
        names.insert(end, names.pop(start))
        assert await positions_and_prompts(shared, made.id) == list(enumerate(names))
        assert await changes(shared, made.id, 1) == [("SCENES_REORDERED", ["position"])]
        versions = [(await read_scene(shared, scene_id, "version"))["version"] for scene_id in made.scenes]
        low, high = sorted((start, end))
        assert versions == [2 if low <= place <= high else 1 for place in range(4)]

    async def test_positions_stay_dense_after_random_moves_additions_and_deletions(self, shared: App) -> None:
        """Compared with the same changes of a Python list."""
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
            assert await positions_and_prompts(shared, made.id) == [
                (place, model[scene_id]) for place, scene_id in enumerate(order)
            ]

    async def test_move_of_a_scene_to_its_own_position_is_a_no_op(self, shared: App) -> None:
        """No event."""
        made = await a_job(shared, "One", "Two")
        await accepted(shared, "moveScene", sceneId=made.scenes[1], position=1)
        assert await log(shared, made.id, after=1) == []

    @pytest.mark.parametrize("position", [-1, 2, 2**31 - 1])
    async def test_move_of_a_scene_beyond_the_live_scenes_is_refused(self, shared: App, position: int) -> None:
        """Positions are dense among the live scenes."""
        made = await a_job(shared, "One", "Two", "Three")
        await accepted(shared, "deleteScene", sceneId=made.scenes[2])
        error = await refused(shared, made.id, "moveScene", sceneId=made.scenes[0], position=position)
        assert error == invalid("position")


async def test_scenes_that_a_move_displaces_have_its_version_and_time(shared: App) -> None:
    """Clients that compare versions or times see that the positions have changed."""
    made = await a_job(shared, "One", "Two", "Three")
    await accepted(shared, "moveScene", sceneId=made.scenes[2], position=0)
    job = await jobs.job(shared, made.id, "version updatedAt scenes { nodes { version updatedAt } }")
    expected = {"version": job["version"], "updatedAt": job["updatedAt"]}
    assert job["scenes"]["nodes"] == [expected] * 3
