"""The state machine of a scene: all transitions, and the actions that clients are offered."""

from collections import deque

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import STATUSES, a_job, a_scene, accepted
from tests.support.queries import EVERYTHING, log, read_scene, refused, state
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRANSITIONS = {
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

# The mutation of each action, the type of its input, and its other fields.
ACTIONS: dict[str, tuple[str, str, Json]] = {
    "UPDATE": ("updateScene", "UpdateSceneInput", {"title": "Edited"}),
    "MOVE": ("moveScene", "MoveSceneInput", {"position": 1}),
    "REGENERATE": ("regenerateScene", "RegenerateSceneInput", {}),
    "CANCEL": ("cancelScene", "SceneActionInput", {}),
    "DELETE": ("deleteScene", "SceneActionInput", {}),
    "RESTORE": ("restoreScene", "SceneActionInput", {}),
}
SELECT: Json = {"action": "SELECT_TAKE"}
STATUS_KEEPING: list[Json] = [{"action": "UPDATE"}, {"action": "MOVE"}]

MOVES_PER_REQUEST = 4
JOB_ACTIONS = {"PENDING": ["startJob", "cancelJob"], "PROCESSING": ["cancelJob"]}

# An action or a status, for the first scene, the second scene or the job itself.
Move = tuple[int | None, Json]
State = tuple[str, ...]


class TestSceneTransitions:
    """Every status from every status."""

    @pytest.mark.parametrize("target", STATUSES)
    @pytest.mark.parametrize("current", STATUSES)
    async def test_transition_of_a_scene_follows_the_table(self, shared: App, current: str, target: str) -> None:
        """Allowed transitions are made, the same status is a no-op, others are refused with the allowed ones."""
        job_id, scene_id = await a_scene(shared, current)
        before = await jobs.job(shared, job_id, EVERYTHING)
        assert before["scenes"]["nodes"][0]["allowedTransitions"] == TRANSITIONS[current]
        if target == current:
            await accepted(shared, "updateScene", sceneId=scene_id, status=target)
            assert await jobs.job(shared, job_id, EVERYTHING) == before
        elif target in TRANSITIONS[current]:
            payload = await accepted(shared, "updateScene", "scene { status }", sceneId=scene_id, status=target)
            assert payload == {"scene": {"status": target}}
            happened = await log(shared, job_id, after=before["version"])
            started: list[tuple[str, str | None]] = [("JOB_STARTED", None)] if current == "PENDING" else []
            settled: list[tuple[str, str | None]] = [("JOB_SETTLED", None)] if target != "PROCESSING" else []
            assert happened == [*started, (EVENTS[target], scene_id), *settled]
        else:
            error = await refused(shared, job_id, "updateScene", sceneId=scene_id, status=target)
            assert error == state("INVALID_TRANSITION", "status", current, target, *TRANSITIONS[current])


@pytest.mark.slow
class TestAvailableActions:
    """`availableActions` and `allowedTransitions` are exactly what is accepted."""

    @pytest.mark.sqlite_alone
    async def test_offered_actions_of_a_scene_are_accepted_and_no_others(self, shared: App) -> None:
        """A breadth-first search over all states of a scene next to another: every action, every status."""
        seen: set[State] = set()
        paths: deque[list[Move]] = deque([[]])
        while paths:
            path = paths.popleft()
            made = await a_job(shared, "One", "Two")
            await _run_offered(shared, made, path)
            status, scenes = await _read(shared, made)
            reached = (status, *(_state(scene) for scene in scenes))
            if reached in seen:
                continue
            seen.add(reached)
            offered, beside = _offered(scenes[0]), _offered(scenes[1])
            await _try_others(shared, made, offered, path)
            # The action CANCEL leads to CANCELED, too.
            paths += [[*path, (0, move)] for move in offered if move not in [*STATUS_KEEPING, {"status": "CANCELED"}]]
            if reached[1] in STATUSES:
                paths += [[*path, (1, move)] for move in beside if move == {"status": "COMPLETED"}]
                paths += [[*path, (None, {"action": name})] for name in JOB_ACTIONS.get(status, [])]
        assert {status for status, _, _ in seen} == set(STATUSES)
        # A deleted scene is not being processed, and with another clip it is one that was regenerated.
        ways = {*STATUSES, *(f"{status} again" for status in STATUSES)}
        deleted = {f"deleted {way}" for way in ways if not way.startswith("PROCESSING")} - {"deleted PENDING again"}
        assert {one for _, one, _ in seen} == ways | deleted
        assert {other for _, _, other in seen} == {"PENDING", "COMPLETED", "CANCELED"}


async def _run_offered(app: App, made: jobs.Made, path: list[Move]) -> None:
    """Run offered moves in order: each must be accepted."""
    assert await _run(app, made, path) == [[] for _ in path], path


async def _run(app: App, made: jobs.Made, path: list[Move]) -> list[list[Json]]:
    """Run moves in order. Return the errors of each."""
    if (0, SELECT) not in path:
        return await _run_in_few_requests(app, made, path)
    place = path.index((0, SELECT))
    before = await _run_in_few_requests(app, made, path[:place])
    selected = await app.mutate("selectTake", "errors { code }", takeId=await _take_to_select(app, made.scenes[0]))
    return [*before, selected["errors"], *await _run(app, made, path[place + 1 :])]


async def _take_to_select(app: App, scene_id: str) -> str:
    """Return the newest completed take that the scene does not show, or else its current take."""
    takes: list[Json] = (await read_scene(app, scene_id, "takes { id status isCurrent }"))["takes"]
    others = [take for take in takes if take["status"] == "COMPLETED" and not take["isCurrent"]]
    return (others or [take for take in takes if take["isCurrent"]])[0]["id"]


async def _run_in_few_requests(app: App, made: jobs.Made, path: list[Move]) -> list[list[Json]]:
    """Run moves in as few requests as the server allows."""
    if not path:
        return []
    if len(path) > MOVES_PER_REQUEST:
        first = await _run_in_few_requests(app, made, path[:MOVES_PER_REQUEST])
        return first + await _run_in_few_requests(app, made, path[MOVES_PER_REQUEST:])
    steps: list[tuple[str, str, Json]] = []
    for scene, move in path:
        if scene is None:
            steps.append((move["action"], "JobActionInput", {"jobId": made.id}))
        else:
            name, kind, fields = _mutation(move)
            steps.append((name, kind, {"sceneId": made.scenes[scene], **fields}))
    variables = ", ".join(f"$i{place}: {kind}!" for place, (_, kind, _) in enumerate(steps))
    verbs = " ".join(
        f"m{place}: {name}(input: $i{place}) {{ errors {{ code }} }}" for place, (name, *_) in enumerate(steps)
    )
    inputs = {f"i{place}": fields for place, (*_, fields) in enumerate(steps)}
    done = await app.execute(f"mutation({variables}) {{ {verbs} }}", **inputs)
    return [done[f"m{place}"]["errors"] for place in range(len(steps))]


async def _read(app: App, made: jobs.Made) -> tuple[str, list[Json]]:
    """Return the status of the job, and its scenes in the order of their creation."""
    selection = "id status deletedAt availableActions allowedTransitions takes { status isCurrent }"
    job = await jobs.job(app, made.id, f"status scenes(includeDeleted: true) {{ nodes {{ {selection} }} }}")
    return job["status"], sorted(job["scenes"]["nodes"], key=lambda scene: made.scenes.index(scene["id"]))


async def _try_others(app: App, made: jobs.Made, offered: list[Json], path: list[Move]) -> None:
    """Run what is not offered: it must be refused, or change nothing because it is already so."""
    before = await jobs.job(app, made.id, EVERYTHING)
    everything = [{"action": action} for action in ACTIONS] + [SELECT] + [{"status": status} for status in STATUSES]
    await _run(app, made, [(0, move) for move in everything if move not in offered])
    assert await jobs.job(app, made.id, EVERYTHING) == before, path
    await _run_offered(app, made, [(0, move) for move in STATUS_KEEPING if move in offered])


def _offered(scene: Json) -> list[Json]:
    actions = [{"action": action} for action in scene["availableActions"]]
    return actions + [{"status": status} for status in scene["allowedTransitions"]]


def _mutation(move: Json) -> tuple[str, str, Json]:
    if "status" in move:
        return "updateScene", "UpdateSceneInput", move
    return ACTIONS[move["action"]]


def _state(scene: Json) -> str:
    again = any(take["status"] == "COMPLETED" and not take["isCurrent"] for take in scene["takes"])
    way = f"{scene['status']} again" if again else scene["status"]
    return way if scene["deletedAt"] is None else f"deleted {way}"
