"""Scenes for which a provider delivers a file, as they are after it was looked at."""

from collections.abc import Sequence

import httpx

from tests.support import jobs
from tests.support.assembled_video import ORIGIN
from tests.support.client import Json
from tests.support.delivered_files import delivery
from tests.support.queries import FAILURE, MEDIA
from tests.support.server_app import App

TAKES = f"""
status attempts failure {FAILURE} output {MEDIA} poster {MEDIA} preview {MEDIA}
takes {{ id status failure {FAILURE} output {MEDIA} poster {MEDIA} preview {MEDIA} original {MEDIA} }}
"""


async def rendered(app: App, *scenes: Json) -> tuple[jobs.Made, Sequence[Json]]:
    """Render the scenes; return the job and its scenes."""
    made = await jobs.make(app, *scenes, start=True)
    await jobs.settled(app, made.id)
    return made, (await jobs.job(app, made.id, f"scenes {{ nodes {{ {TAKES} }} }}"))["scenes"]["nodes"]


async def one(app: App, file: str, **metadata: object) -> Json:
    """Render one scene for which a file is delivered; return the scene."""
    _, (scene,) = await rendered(app, delivery(file, **metadata))
    return scene


async def served(app: App, media: Json) -> httpx.Response:
    """Download a file of the server."""
    answer = await app.http.get(media["url"].removeprefix(ORIGIN))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media["contentType"]
    return answer
