"""Jobs and scenes in the state that a test wants, made through the API. Nobody renders them unless a test says so."""

from typing import Any

from tests.support import jobs
from tests.support.client import Client, Json

STATUSES = ["PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELED"]
# How a worker's reports lead to each status.
ROADS: dict[str, list[str]] = {
    "PENDING": [],
    "PROCESSING": ["PROCESSING"],
    "COMPLETED": ["PROCESSING", "COMPLETED"],
    "FAILED": ["PROCESSING", "FAILED"],
    "CANCELED": ["CANCELED"],
}
# Well-formed, and never given out.
UNUSED_SUFFIX = "01h455vb4pex5vsknk084sn02q"
NO_WEBHOOK, NO_DELIVERY = f"webhook_{UNUSED_SUFFIX}", f"delivery_{UNUSED_SUFFIX}"
NO_JOB, NO_SCENE, NO_TAKE = f"job_{UNUSED_SUFFIX}", f"scene_{UNUSED_SUFFIX}", f"take_{UNUSED_SUFFIX}"


async def a_job(client: Client, *prompts: str, **fields: Any) -> jobs.Made:
    """Make a job with a scene for each prompt, of the provider "external" unless told otherwise."""
    scenes = [{"prompt": prompt} for prompt in prompts]
    return await jobs.make(client, **{"provider": "external", "scenes": scenes, **fields})


async def a_scene(client: Client, status: str = "PENDING") -> tuple[str, str]:
    """Make a job with one scene in this status; answers both ids."""
    made = await a_job(client, "A kite")
    await report(client, made.scenes[0], *ROADS[status])
    return made.id, made.scenes[0]


async def a_job_of(client: Client, *statuses: str, **fields: Any) -> jobs.Made:
    """Make a job with a scene in each of these statuses."""
    made = await a_job(client, *(f"Scene {number}" for number in range(len(statuses))), **fields)
    for scene_id, status in zip(made.scenes, statuses, strict=True):
        await report(client, scene_id, *ROADS[status])
    return made


async def report(client: Client, scene_id: str, *statuses: str, **fields: Any) -> None:
    """Report on a scene as a worker does, one status after the other; the fields go with the last."""
    for number, status in enumerate(statuses, start=1):
        more: Json = fields if number == len(statuses) else {}
        await accepted(client, "updateScene", sceneId=scene_id, status=status, **more)


async def accepted(client: Client, name: str, selection: str = "job { id }", **fields: Any) -> Json:
    """Do what must be accepted; answers the payload."""
    payload = await client.mutate(name, f"{selection} errors {{ code message path }}", **fields)
    assert payload.pop("errors") == [], (name, fields)
    return payload
