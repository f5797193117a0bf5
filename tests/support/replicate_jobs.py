"""Jobs whose clips are bought from a fake of Replicate."""

from tests.support import jobs
from tests.support.client import Client, Json

SCENE_FIELDS = """
scenes { nodes {
  status providerId failure { code retryable }
  output { contentType width height durationSeconds url } poster { contentType url } preview { contentType url }
} }
"""


async def started(client: Client, **fields: object) -> jobs.Made:
    """Create and start a job of one scene of one second."""
    scene = {"prompt": "A lighthouse at dusk", "durationSeconds": 1.0}
    return await jobs.make(client, scene, provider="replicate", start=True, **fields)


async def only_scene(client: Client, job: jobs.Made) -> Json:
    """Return the scene of the job."""
    return (await jobs.job(client, job.id, SCENE_FIELDS))["scenes"]["nodes"][0]
