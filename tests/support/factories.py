"""Jobs and scenes in a given state, made through the API. No worker renders them unless the test asks for it."""

from typing import Any

from tests.support import jobs
from tests.support.client import Client, Json

STATUSES = ["PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELED"]
# A clip that is stored elsewhere.
CLIP_URL = "https://clips.test/kite.mp4"
# The reports of a worker that bring a new scene to each status.
REPORTS_TO_REACH: dict[str, list[str]] = {
    "PENDING": [],
    "PROCESSING": ["PROCESSING"],
    "COMPLETED": ["PROCESSING", "COMPLETED"],
    "FAILED": ["PROCESSING", "FAILED"],
    "CANCELED": ["CANCELED"],
}
# Well-formed ids that the server has never issued.
UNUSED_SUFFIX = "01h455vb4pex5vsknk084sn02q"
NO_WEBHOOK, NO_DELIVERY = f"webhook_{UNUSED_SUFFIX}", f"delivery_{UNUSED_SUFFIX}"
NO_ASSET = f"asset_{UNUSED_SUFFIX}"
NO_WORKER = f"worker_{UNUSED_SUFFIX}"
NO_TOKEN = f"token_{UNUSED_SUFFIX}"
NO_JOB, NO_SCENE, NO_TAKE = f"job_{UNUSED_SUFFIX}", f"scene_{UNUSED_SUFFIX}", f"take_{UNUSED_SUFFIX}"


async def a_job(client: Client, *prompts: str, **fields: Any) -> jobs.Made:
    """Make a job with a scene for each prompt; its provider is "external" by default."""
    scenes = [{"prompt": prompt} for prompt in prompts]
    return await jobs.make(client, **{"provider": "external", "scenes": scenes, **fields})


async def a_scene(client: Client, status: str = "PENDING") -> tuple[str, str]:
    """Make a job with one scene in this status. Return the ids of the job and the scene."""
    made = await a_job(client, "A kite")
    await report(client, made.scenes[0], *REPORTS_TO_REACH[status])
    return made.id, made.scenes[0]


async def a_job_of(client: Client, *statuses: str, **fields: Any) -> jobs.Made:
    """Make a job with one scene in each of these statuses."""
    made = await a_job(client, *(f"Scene {number}" for number in range(len(statuses))), **fields)
    for scene_id, status in zip(made.scenes, statuses, strict=True):
        await report(client, scene_id, *REPORTS_TO_REACH[status])
    return made


async def report(client: Client, scene_id: str, *statuses: str, **fields: Any) -> None:
    """Report statuses of a scene in order, as a worker does; the fields go with the last report."""
    for number, status in enumerate(statuses, start=1):
        more: Json = fields if number == len(statuses) else {}
        await accepted(client, "updateScene", sceneId=scene_id, status=status, **more)


async def accepted(client: Client, name: str, selection: str = "job { id }", **fields: Any) -> Json:
    """Run a mutation that must be accepted. Return its payload without `errors`."""
    payload = await client.mutate(name, f"{selection} errors {{ code message path }}", **fields)
    assert payload.pop("errors") == [], (name, fields)
    return payload
