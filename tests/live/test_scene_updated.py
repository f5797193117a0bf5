"""Subscription.sceneUpdated: the current state of a scene first, then the latest."""

import asyncio
import time

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.latest_values import error_of, next_value, no_value_follows, values_until
from tests.support.server_app import App
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.usefixtures("no_resync")

SCENE = """
subscription Scene($id: ID!) {
  value: sceneUpdated(sceneId: $id) { id status percentage prompt deletedAt attempts output { contentType } }
}
"""


class TestSceneUpdated:
    """The stream of one scene."""

    async def test_scene_stream_starts_with_the_current_state_then_sends_the_latest(self, app: App) -> None:
        """Changes of status, percentage and prompt are sent; changes of another scene are not."""
        made = await jobs.make(app, jobs.scene("Mine"), jobs.scene("Other"), provider="external")
        mine, other = made.scenes
        async with app.subscribe(SCENE, id=mine) as stream:
            first = await next_value(stream)
            await jobs.change(app, "updateScene", sceneId=mine, status="PROCESSING")
            started = await values_until(stream, status="PROCESSING")
            await jobs.change(app, "updateScene", sceneId=mine, percentage=40)
            await values_until(stream, percentage=40.0)
            await jobs.change(app, "updateScene", sceneId=mine, prompt="Mine too")
            await values_until(stream, prompt="Mine too", percentage=40.0)
            await jobs.change(
                app, "updateScene", sceneId=mine, status="COMPLETED", outputUrl="https://example.com/clip.mp4"
            )
            await values_until(stream, status="COMPLETED", percentage=100.0, output={"contentType": "video/mp4"})
            await jobs.change(app, "updateScene", sceneId=other, prompt="Other too")
            assert await no_value_follows(stream)
        plain: Json = {
            "id": mine,
            "status": "PENDING",
            "percentage": None,
            "prompt": "Mine",
            "deletedAt": None,
            "attempts": 0,
            "output": None,
        }
        assert first == plain
        assert started[-1] == plain | {"status": "PROCESSING", "attempts": 1}

    async def test_scene_stream_sends_the_deletion_of_the_scene(self, app: App) -> None:
        """The stream does not end, as the scene can be restored."""
        made = await jobs.make(app, jobs.scene(), jobs.scene(), provider="external")
        async with app.subscribe(SCENE, id=made.scenes[0]) as stream:
            await next_value(stream)
            await jobs.change(app, "deleteScene", sceneId=made.scenes[0])
            async with asyncio.timeout(TIMEOUT_SECONDS):
                assert (await next_value(stream))["deletedAt"] is not None

    async def test_scene_stream_sends_at_most_ten_values_per_second(self, app: App) -> None:
        """Many changes become few values; the last state is among them."""
        made = await jobs.make(app, provider="external")
        async with app.subscribe(SCENE, id=made.scenes[0]) as stream:
            await next_value(stream)
            started_at = time.monotonic()
            for number in range(60):
                await jobs.change(app, "updateScene", sceneId=made.scenes[0], prompt=f"Prompt {number}")
            values = await values_until(stream, prompt="Prompt 59")
            seconds = time.monotonic() - started_at
        assert 1 <= len(values) <= seconds * 10 + 2

    @pytest.mark.parametrize("scene_id", ["scene_01h455vb4pex5vsknk084sn02q", "job", ""])
    async def test_stream_of_an_unknown_scene_is_refused(self, app: App, scene_id: str) -> None:
        """The error names the argument."""
        assert await error_of(app, SCENE, id=scene_id) == ("NOT_FOUND", ["sceneId"])
