"""What may become of a scene: the whole table, and what clients are told of it."""

from collections import deque

import pytest

from tests.api.looking import EVERYTHING, log, refused, state
from tests.api.making import STATUSES, a_job, a_scene, accepted
from tests.harness.app import App
from tests.harness.client import Json
from tests.live import jobs

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAY_BECOME = {
    "PENDING": ["PROCESSING", "COMPLETED", "FAILED", "CANCELED"],
    "PROCESSING": ["COMPLETED", "FAILED", "CANCELED"],
    "COMPLETED": [],
    "FAILED": [],
    "CANCELED": [],
}
EVENTS = {
    "PROCESSING": "SCENE_STARTED",
    "COMPLETED": "SCENE_COMPLETED",
    "FAILED": "SCENE_FAILED",
    "CANCELED": "SCENE_CANCELED",
}

# The mutation of each action, the type of its input, and what that needs beside the scene.
ACTIONS: dict[str, tuple[str, str, Json]] = {
    "UPDATE": ("updateScene", "UpdateSceneInput", {"title": "Edited"}),
    "MOVE": ("moveScene", "MoveSceneInput", {"position": 1}),
    "REGENERATE": ("regenerateScene", "RegenerateSceneInput", {}),
    "CANCEL": ("cancelScene", "SceneActionInput", {}),
    "DELETE": ("deleteScene", "SceneActionInput", {}),
}
STAYING: list[Json] = [{"action": "UPDATE"}, {"action": "MOVE"}]

MOVES_A_REQUEST = 4
JOB_ACTIONS = {"PENDING": ["startJob", "cancelJob"], "PROCESSING": ["cancelJob"]}

# What is done to the first scene, the second or the job itself.
Move = tuple[int | None, Json]
State = tuple[str, ...]


class TestUpdateScene:
    """Every status from every status."""

    @pytest.mark.parametrize("wanted", STATUSES)
    @pytest.mark.parametrize("current", STATUSES)
    async def test_the_table(self, shared: App, current: str, wanted: str) -> None:
        """It becomes what it may become, stays what it is, and refuses the rest with what it would accept."""
        job_id, scene_id = await a_scene(shared, current)
        before = await jobs.job(shared, job_id, EVERYTHING)
        assert before["scenes"]["nodes"][0]["allowedTransitions"] == MAY_BECOME[current]
        if wanted == current:
            await accepted(shared, "updateScene", sceneId=scene_id, status=wanted)
            assert await jobs.job(shared, job_id, EVERYTHING) == before
        elif wanted in MAY_BECOME[current]:
            payload = await accepted(shared, "updateScene", "scene { status }", sceneId=scene_id, status=wanted)
            assert payload == {"scene": {"status": wanted}}
            happened = await log(shared, job_id, after=before["version"])
            started: list[tuple[str, str | None]] = [("JOB_STARTED", None)] if current == "PENDING" else []
            settled: list[tuple[str, str | None]] = [("JOB_SETTLED", None)] if wanted != "PROCESSING" else []
            assert happened == [*started, (EVENTS[wanted], scene_id), *settled]
        else:
            error = await refused(shared, job_id, "updateScene", sceneId=scene_id, status=wanted)
            assert error == state("INVALID_TRANSITION", "status", current, wanted, *MAY_BECOME[current])


class TestWhatIsOffered:
    """availableActions and allowedTransitions keep their word."""

    async def test_what_is_offered_is_accepted_and_nothing_else(self, shared: App) -> None:
        """In every state that a scene can get into beside another: every action, every status."""
        seen: set[State] = set()
        roads: deque[list[Move]] = deque([[]])
        while roads:
            road = roads.popleft()
            made = await a_job(shared, "One", "Two")
            await _walk(shared, made, road)
            status, scenes = await _look(shared, made)
            reached = (status, *(_state(scene) for scene in scenes))
            if reached in seen:
                continue
            seen.add(reached)
            offered, beside = _offered(scenes[0]), _offered(scenes[1])
            await _try_the_rest(shared, made, offered, road)
            roads += [[*road, (0, what)] for what in offered if what not in STAYING]
            roads += [[*road, (1, what)] for what in beside if what == {"status": "COMPLETED"}]
            roads += [[*road, (None, {"action": name})] for name in JOB_ACTIONS.get(status, [])]
        assert {status for status, _, _ in seen} == set(STATUSES)
        assert {one for _, one, _ in seen} == {*STATUSES, "deleted"}
        assert {other for _, _, other in seen} == {"PENDING", "COMPLETED", "CANCELED"}


async def _walk(app: App, made: jobs.Made, road: list[Move]) -> None:
    """Do what was offered, step by step: every step must be accepted."""
    assert await _do(app, made, road) == [[] for _ in road], road


async def _do(app: App, made: jobs.Made, road: list[Move]) -> list[list[Json]]:
    """Make the moves one after the other, as many in one request as may be; answers the errors of each."""
    if not road:
        return []
    if len(road) > MOVES_A_REQUEST:
        begun = await _do(app, made, road[:MOVES_A_REQUEST])
        return begun + await _do(app, made, road[MOVES_A_REQUEST:])
    steps: list[tuple[str, str, Json]] = []
    for scene, what in road:
        if scene is None:
            steps.append((what["action"], "JobActionInput", {"jobId": made.id}))
        else:
            name, kind, fields = _mutation(what)
            steps.append((name, kind, {"sceneId": made.scenes[scene], **fields}))
    variables = ", ".join(f"$i{place}: {kind}!" for place, (_, kind, _) in enumerate(steps))
    verbs = " ".join(
        f"m{place}: {name}(input: $i{place}) {{ errors {{ code }} }}" for place, (name, *_) in enumerate(steps)
    )
    inputs = {f"i{place}": fields for place, (*_, fields) in enumerate(steps)}
    done = await app.execute(f"mutation({variables}) {{ {verbs} }}", **inputs)
    return [done[f"m{place}"]["errors"] for place in range(len(steps))]


async def _look(app: App, made: jobs.Made) -> tuple[str, list[Json]]:
    """The status of the job, and what is told of its scenes in the order they were made in."""
    selection = "scenes(includeDeleted: true) { nodes { id status deletedAt availableActions allowedTransitions } }"
    job = await jobs.job(app, made.id, f"status {selection}")
    return job["status"], sorted(job["scenes"]["nodes"], key=lambda scene: made.scenes.index(scene["id"]))


async def _try_the_rest(app: App, made: jobs.Made, offered: list[Json], road: list[Move]) -> None:
    """What is not offered is refused, or changes nothing because it is so already."""
    before = await jobs.job(app, made.id, EVERYTHING)
    everything = [*({"action": action} for action in ACTIONS), *({"status": status} for status in STATUSES)]
    await _do(app, made, [(0, what) for what in everything if what not in offered])
    assert await jobs.job(app, made.id, EVERYTHING) == before, road
    await _walk(app, made, [(0, what) for what in STAYING if what in offered])


def _offered(scene: Json) -> list[Json]:
    actions = [{"action": action} for action in scene["availableActions"]]
    return actions + [{"status": status} for status in scene["allowedTransitions"]]


def _mutation(what: Json) -> tuple[str, str, Json]:
    if "status" in what:
        return "updateScene", "UpdateSceneInput", what
    return ACTIONS[what["action"]]


def _state(scene: Json) -> str:
    return scene["status"] if scene["deletedAt"] is None else "deleted"
