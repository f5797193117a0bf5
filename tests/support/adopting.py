"""Jobs of external workers whose clips are adopted."""

from typing import Any

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import accepted
from tests.support.queries import FAILURE, MEDIA, read_scene
from tests.support.server_app import App

SCENE = f"""status attempts percentage providerId failure {FAILURE} output {MEDIA} poster {MEDIA} preview {MEDIA}
takes {{ id number status output {MEDIA} original {MEDIA} }}"""


async def a_started_job(app: App, scenes: int = 1) -> jobs.Made:
    """Make a started job for external workers, with scenes of a second."""
    new = [{"prompt": f"Scene {number}", "durationSeconds": 1.0} for number in range(scenes)]
    return await jobs.make(app, *new, provider="external", start=True)


async def deliver(app: App, scene_id: str, **fields: Any) -> None:
    """Report that the clip is made."""
    fields = {"status": "COMPLETED", "adoptOutput": True} | fields
    await accepted(app, "updateScene", sceneId=scene_id, **fields)


async def settled_scene(app: App, made: jobs.Made) -> Json:
    """Wait until the job settles; return its only scene."""
    await jobs.settled(app, made.id)
    return await read_scene(app, made.scenes[0], SCENE)
