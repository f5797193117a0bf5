"""What may become of a scene: the whole table, and what clients are told of it."""

from collections import deque

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import STATUSES, a_job, a_scene, accepted
from tests.support.queries import EVERYTHING, log, read_scene, refused, state
from tests.support.server_app import App

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
    "RESTORE": ("restoreScene", "SceneActionInput", {}),
}
SELECT: Json = {"action": "SELECT_TAKE"}
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


@pytest.mark.slow
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
            # The action CANCEL leads there, too.
            roads += [[*road, (0, what)] for what in offered if what not in [*STAYING, {"status": "CANCELED"}]]
            if reached[1] in STATUSES:
                roads += [[*road, (1, what)] for what in beside if what == {"status": "COMPLETED"}]
                roads += [[*road, (None, {"action": name})] for name in JOB_ACTIONS.get(status, [])]
        assert {status for status, _, _ in seen} == set(STATUSES)
        # A deleted scene is not being processed, and with another clip it is one that was regenerated.
        ways = {*STATUSES, *(f"{status} again" for status in STATUSES)}
        deleted = {f"deleted {way}" for way in ways if not way.startswith("PROCESSING")} - {"deleted PENDING again"}
        assert {one for _, one, _ in seen} == ways | deleted
        assert {other for _, _, other in seen} == {"PENDING", "COMPLETED", "CANCELED"}


async def _walk(app: App, made: jobs.Made, road: list[Move]) -> None:
    """Do what was offered, step by step: every step must be accepted."""
    assert await _do(app, made, road) == [[] for _ in road], road


async def _do(app: App, made: jobs.Made, road: list[Move]) -> list[list[Json]]:
    """Make the moves one after the other; answers the errors of each."""
    if (0, SELECT) not in road:
        return await _do_at_once(app, made, road)
    place = road.index((0, SELECT))
    before = await _do_at_once(app, made, road[:place])
    selected = await app.mutate("selectTake", "errors { code }", takeId=await _a_clip(app, made.scenes[0]))
    return [*before, selected["errors"], *await _do(app, made, road[place + 1 :])]


async def _a_clip(app: App, scene_id: str) -> str:
    """The newest completed take that the scene does not show, or else the one it shows."""
    takes: list[Json] = (await read_scene(app, scene_id, "takes { id status isCurrent }"))["takes"]
    others = [take for take in takes if take["status"] == "COMPLETED" and not take["isCurrent"]]
    return (others or [take for take in takes if take["isCurrent"]])[0]["id"]


async def _do_at_once(app: App, made: jobs.Made, road: list[Move]) -> list[list[Json]]:
    """As many in one request as may be."""
    if not road:
        return []
    if len(road) > MOVES_A_REQUEST:
        begun = await _do_at_once(app, made, road[:MOVES_A_REQUEST])
        return begun + await _do_at_once(app, made, road[MOVES_A_REQUEST:])
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
    told = "id status deletedAt availableActions allowedTransitions takes { status isCurrent }"
    job = await jobs.job(app, made.id, f"status scenes(includeDeleted: true) {{ nodes {{ {told} }} }}")
    return job["status"], sorted(job["scenes"]["nodes"], key=lambda scene: made.scenes.index(scene["id"]))


async def _try_the_rest(app: App, made: jobs.Made, offered: list[Json], road: list[Move]) -> None:
    """What is not offered is refused, or changes nothing because it is so already."""
    before = await jobs.job(app, made.id, EVERYTHING)
    everything = [{"action": action} for action in ACTIONS] + [SELECT] + [{"status": status} for status in STATUSES]
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
    again = any(take["status"] == "COMPLETED" and not take["isCurrent"] for take in scene["takes"])
    way = f"{scene['status']} again" if again else scene["status"]
    return way if scene["deletedAt"] is None else f"deleted {way}"
