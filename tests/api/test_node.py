"""Single objects: by id, and through each other."""

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.database_choice import database_choice
from tests.support.factories import NO_JOB, NO_SCENE, NO_TAKE, UNUSED_SUFFIX, a_job, a_scene, accepted
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")

NODE = """query($id: ID!) { node(id: $id) {
  __typename id ... on Job { title } ... on Scene { prompt } ... on SceneTake { number isCurrent }
} }"""


async def node(app: App, node_id: str) -> Json | None:
    """Return the object with this id."""
    return (await app.execute(NODE, id=node_id))["node"]


async def test_node_returns_jobs_scenes_and_takes_by_id(shared: App) -> None:
    """The prefix of the id names the kind."""
    made = await a_job(shared, "A kite", title="A day at the coast")
    (scene_id,) = made.scenes
    scenes = (await jobs.job(shared, made.id, "scenes { nodes { currentTake { id } } }"))["scenes"]
    take_id = scenes["nodes"][0]["currentTake"]["id"]
    assert await node(shared, made.id) == {"__typename": "Job", "id": made.id, "title": "A day at the coast"}
    assert await node(shared, scene_id) == {"__typename": "Scene", "id": scene_id, "prompt": "A kite"}
    assert await node(shared, take_id) == {"__typename": "SceneTake", "id": take_id, "number": 1, "isCurrent": True}
    for known, prefix in ((made.id, "job"), (scene_id, "scene"), (take_id, "take")):
        assert known.startswith(f"{prefix}_")
        assert len(known) == len(prefix) + 27


@pytest.mark.parametrize(
    "node_id", [NO_JOB, NO_SCENE, NO_TAKE, f"webhook_{UNUSED_SUFFIX}", UNUSED_SUFFIX, "", "job_", "JOB_1"]
)
async def test_node_of_an_unknown_id_is_null(shared: App, node_id: str) -> None:
    """Not an error."""
    assert await node(shared, node_id) is None


async def test_id_of_another_kind_is_not_found(shared: App) -> None:
    """A scene is no job, although both exist."""
    job_id, scene_id = await a_scene(shared)
    swapped = scene_id.replace("scene_", "job_")
    document = "query($job: ID!, $scene: ID!) { job(id: $scene) { id } scene(id: $job) { id } node(id: $job) { id } }"
    assert await shared.execute(document, job=job_id, scene=scene_id) == {
        "job": None,
        "scene": None,
        "node": {"id": job_id},
    }
    assert await node(shared, swapped) is None


async def test_scene_job_and_event_refer_to_each_other(shared: App) -> None:
    """A scene has its job, a job its scene, an event both."""
    job_id, scene_id = await a_scene(shared)
    await accepted(shared, "updateScene", sceneId=scene_id, title="Kite")
    document = """query($id: ID!) { scene(id: $id) {
        jobId job { id scene(id: $id) { id job { id } } events(after: 1) { jobId sceneId job { id } scene { title } } }
    } }"""
    assert (await shared.execute(document, id=scene_id))["scene"] == {
        "jobId": job_id,
        "job": {
            "id": job_id,
            "scene": {"id": scene_id, "job": {"id": job_id}},
            "events": [{"jobId": job_id, "sceneId": scene_id, "job": {"id": job_id}, "scene": {"title": "Kite"}}],
        },
    }


async def test_viewer_and_server_info(shared: App) -> None:
    """The local viewer; a server in embedded or distributed mode."""
    document = "{ viewer { id name roles } serverInfo { mode providers eventRetentionSeconds recoveryWindowSeconds } }"
    assert await shared.execute(document) == {
        "viewer": {"id": "local", "name": "Local developer", "roles": ["admin"]},
        "serverInfo": {
            "mode": "distributed" if database_choice.distributed else "embedded",
            "providers": ["local", "scripted", "leased", "external"],
            "eventRetentionSeconds": 7 * 24 * 3600,
            "recoveryWindowSeconds": 7 * 24 * 3600,
        },
    }
