"""Workers on machines whose clocks differ."""

import asyncio
from pathlib import Path
from typing import Any

from tests.support import jobs
from tests.support.fake_clock import FakeClockServer
from tests.support.postgres import Databases
from tests.support.renders import is_processing, scene
from tests.support.server_app import running
from tests.support.waiting import eventually

HOUR = 3600
# Longer than the lease, which is extended while it runs.
RUNNING = jobs.scene(steps=15, stepSeconds=0.1)


async def test_render_of_killed_worker_an_hour_ahead_is_taken_over_by_another(
    tmp_path: Path, postgres: Databases
) -> None:
    """Within the lease: no worker waits for the hour by which the clock of the first one was wrong."""
    with postgres.fresh() as url:
        settings: dict[str, Any] = {"database_url": url, "provider": "scripted", "lease_seconds": 1}
        ahead = FakeClockServer(tmp_path, "worker", ahead_seconds=HOUR, **settings)
        async with running(tmp_path, renders=False, **settings) as app:
            await asyncio.to_thread(ahead.start)
            try:
                made = await jobs.make(app, RUNNING, start=True)
                await eventually(lambda: is_processing(app, made.id))
            finally:
                ahead.kill()
            async with running(tmp_path, **settings):
                assert await jobs.settled(app, made.id) == "COMPLETED"
            # The take went on: it was not begun again as another attempt.
            assert (await scene(app, made.id, "attempts"))["attempts"] == 1
