"""A render that succeeds, and one that a restart of the server interrupts."""

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from providers.port import Order, Progress, Rendered
from providers.sample import sample
from tests.support import jobs
from tests.support.fake_providers import Fake, Gate
from tests.support.renders import TAKES, is_processing, scene, single_provider
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS, eventually


class TestResult:
    """The record of a render that succeeds."""

    async def test_completed_render_records_scene_take_and_files(self, app: App) -> None:
        """One take, with the clip, poster and preview and their properties."""
        made = await jobs.make(app, start=True)
        assert await jobs.settled(app, made.id) == "COMPLETED"
        media = "output { url contentType sizeBytes width height durationSeconds } poster { url contentType }"
        found = await scene(app, made.id, f"status attempts percentage {media} preview {{ contentType }} {TAKES}")
        take = found["takes"][0]
        files = sample()
        assert found["status"] == "COMPLETED"
        assert (found["attempts"], len(found["takes"]), found["percentage"]) == (1, 1, 100)
        assert (take["number"], take["status"], take["isCurrent"]) == (1, "COMPLETED", True)
        assert {name: value for name, value in found["output"].items() if name != "url"} == {
            "contentType": "video/mp4",
            "sizeBytes": len(files.clip),
            "width": 64,
            "height": 36,
            "durationSeconds": 1.0,
        }
        assert re.fullmatch(
            rf"http://scenewire\.test/media/{made.id}/{made.scenes[0]}/take_\w+\.mp4", found["output"]["url"]
        )
        path = found["output"]["url"].removeprefix("http://scenewire.test")
        assert (await app.http.get(path)).content == files.clip
        assert (found["poster"]["contentType"], found["preview"]["contentType"]) == ("image/webp", "image/webp")

    async def test_provider_id_is_committed_before_the_render_is_followed(self, tmp_path: Path) -> None:
        """A restart can then resume the order that was paid for."""
        seen: list[str | None] = []
        job_id = asyncio.get_running_loop().create_future()

        async def record_committed_id(order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
            seen.append((await scene(app, await job_id, "providerId"))["providerId"])
            yield sample().write(order.workdir)

        async with running(tmp_path, single_provider(fake := Fake(record_committed_id)), provider="external") as app:
            made = await jobs.make(app, provider="fake", start=True)
            job_id.set_result(made.id)
            assert await jobs.settled(app, made.id) == "COMPLETED"
        assert seen == fake.followed

    @pytest.mark.parametrize("limit", [1, 2])
    async def test_concurrent_renders_reach_the_limit_and_never_exceed_it(self, tmp_path: Path, limit: int) -> None:
        """Scenes are submitted in play order."""

        others = asyncio.Barrier(limit)

        async def together(order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
            await others.wait()
            await asyncio.sleep(0.05)  # one too many would start meanwhile
            yield sample().write(order.workdir)

        fake = Fake(together)
        async with running(tmp_path, single_provider(fake), provider="external", render_concurrency=limit) as app:
            prompts = [f"Scene {number}" for number in range(6)]
            made = await jobs.make(app, *(jobs.scene(prompt) for prompt in prompts), provider="fake", start=True)
            assert await jobs.settled(app, made.id) == "COMPLETED"
        assert fake.most_at_once == limit
        assert sorted(fake.submitted) == prompts
        # Scenes that start together are submitted in any order.
        assert set(fake.submitted[:limit]) == set(prompts[:limit])
        assert limit > 1 or fake.submitted == prompts


class TestRestart:
    """The server stops in the middle of a render, and starts again."""

    async def test_restart_resumes_the_render_with_the_same_order(self, tmp_path: Path) -> None:
        """The order is not submitted again, and the clip is recorded once."""
        first, second = Fake(Gate().cooperative), Fake()
        async with running(tmp_path, single_provider(first), provider="external") as app:
            made = await jobs.make(app, provider="fake", start=True)
            await eventually(lambda: is_processing(app, made.id))
        assert first.running == 0
        async with running(tmp_path, single_provider(second), provider="external") as app:
            assert await jobs.settled(app, made.id) == "COMPLETED"
            log = [event["type"] for event in await jobs.log(app, made.id)]
            found = await scene(app, made.id, "attempts providerId takes { number }")
        assert (first.canceled, second.submitted) == ([], [])
        assert first.followed == second.followed == [found["providerId"]]
        assert (found["attempts"], len(found["takes"])) == (1, 1)
        assert log[2:6] == ["SCENE_STARTED", "SCENE_UPDATED", "SCENE_COMPLETED", "JOB_SETTLED"]

    async def test_shutdown_does_not_wait_for_a_provider_that_ignores_cancellation(self, tmp_path: Path) -> None:
        """The provider ends with the process."""
        gate = Gate()
        fake = Fake(gate.stubborn)
        # The provider would stop only when the gate opens, after this block.
        try:
            async with (
                asyncio.timeout(3 * TIMEOUT_SECONDS),
                running(tmp_path, single_provider(fake), provider="external") as app,
            ):
                made = await jobs.make(app, provider="fake", start=True)
                await eventually(lambda: is_processing(app, made.id))
        finally:
            # Also after a failure, or the loop of the test would wait for the provider without end.
            gate.open.set()
        await eventually(lambda: fake.running == 0)
