"""jobEvents with the same fields selected on every member of the feed, as normalized caches need them."""

import asyncio

import pytest

from tests.support import jobs
from tests.support.client import Json, Stream
from tests.support.factories import a_job, accepted, report
from tests.support.server_app import App
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

SCENE = "scene { id status percentage version preview { url } }"
PROGRESS = "progress { id jobId percentage version }"
FEED = f"""
subscription($id: ID!) {{
  message: jobEvents(jobId: $id) {{
    __typename
    ... on JobSnapshot {{ version job {{ id version {PROGRESS} scenes {{ nodes {{ id percentage }} }} }} }}
    ... on JobEvent {{ version sceneId job {{ id version {PROGRESS} }} {SCENE} {PROGRESS} }}
    ... on SceneProgress {{ sceneId takeNumber percentage preview {{ url }} {SCENE} {PROGRESS} }}
  }}
}}
"""
# Relations of the scene, in fragments of several kinds.
RELATED = f"""
subscription($id: ID!) {{ message: jobEvents(jobId: $id) {{ __typename ...Ticks }} }}
fragment Ticks on JobFeedMessage {{ ... on SceneProgress {{ sceneId percentage {PROGRESS} scene {{ ...Related }} }} }}
fragment Related on Scene {{
  percentage status version
  ... {{ job {{ version {PROGRESS} scenes {{ nodes {{ id percentage }} }} }} currentTake {{ number status }} }}
}}
"""


async def ticks_until(stream: Stream, percentage: float) -> list[Json]:
    """Return the SceneProgress messages up to the first of this percentage."""
    ticks: list[Json] = []
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not ticks or ticks[-1]["percentage"] != percentage:
            message = (await stream.next())["message"]
            if message["__typename"] == "SceneProgress":
                ticks.append(message)
    return ticks


async def advance(app: App, scene_id: str, upto: int) -> None:
    """Report every percentage up to `upto`, as an external worker does."""
    for percentage in range(1, upto + 1):
        await accepted(app, "updateScene", "scene { id }", sceneId=scene_id, percentage=float(percentage))


async def test_scene_and_progress_of_a_progress_message_have_its_percentage(shared: App) -> None:
    """Changes that are written meanwhile do not make them differ. The other of the two scenes has not started."""
    made = await a_job(shared, "A kite", "A boat")
    await report(shared, made.scenes[0], "PROCESSING")
    async with shared.subscribe(FEED, id=made.id) as stream:
        assert (await stream.next())["message"]["job"]["id"] == made.id
        writing = asyncio.create_task(advance(shared, made.scenes[0], 8))
        ticks = await ticks_until(stream, 8.0)
        await writing
    for tick in ticks:
        scene = {**tick["scene"]}
        version = scene.pop("version")
        assert scene == {
            "id": tick["sceneId"],
            "status": "PROCESSING",
            "percentage": tick["percentage"],
            "preview": tick["preview"],
        }
        assert version <= tick["progress"]["version"]
        assert tick["progress"]["percentage"] == pytest.approx(tick["percentage"] / 2)


async def test_progress_message_with_relations_of_its_scene_is_of_one_moment(shared: App) -> None:
    """If a relation is selected, the whole message is read from the database in one snapshot."""
    made = await a_job(shared, "A kite")
    await report(shared, made.scenes[0], "PROCESSING")
    async with shared.subscribe(RELATED, id=made.id) as stream:
        await stream.next()
        writing = asyncio.create_task(advance(shared, made.scenes[0], 8))
        ticks = await ticks_until(stream, 8.0)
        await writing
    for tick in ticks:
        job = tick["scene"]["job"]
        assert tick["scene"]["currentTake"] == {"number": 1, "status": "PROCESSING"}
        assert tick["scene"]["percentage"] == tick["percentage"] == job["scenes"]["nodes"][0]["percentage"]
        assert tick["progress"] == job["progress"]
        assert job["version"] == job["progress"]["version"]


async def test_progress_has_one_id_everywhere(shared: App) -> None:
    """The id is the suffix of the job's id with the prefix `progress_`; `node` does not find it."""
    made = await a_job(shared, "A kite")
    await report(shared, made.scenes[0], "PROCESSING")
    expected = f"progress_{made.id.removeprefix('job_')}"
    async with shared.subscribe(FEED, id=made.id) as stream:
        first = (await stream.next())["message"]
        await accepted(shared, "updateScene", "scene { id }", sceneId=made.scenes[0], percentage=50.0)
        (tick,) = await ticks_until(stream, 50.0)
        await jobs.retitle(shared, made.id, "Renamed")
        event = (await stream.next())["message"]
    shown = [first["job"]["progress"], tick["progress"], event["progress"], event["job"]["progress"]]
    assert {progress["id"] for progress in shown} == {expected}
    latest = "subscription($id: ID!) { jobProgress(jobId: $id) { id jobId } }"
    async with shared.subscribe(latest, id=made.id) as stream:
        assert await stream.next() == {"jobProgress": {"id": expected, "jobId": made.id}}
    assert await shared.execute("query($id: ID!) { node(id: $id) { id } }", id=expected) == {"node": None}
