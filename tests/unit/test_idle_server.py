"""The main loop of a server process that has nothing to do."""

import asyncio
import signal

import pytest
import uvicorn
from fastapi import FastAPI

from server.processes.serve import Server
from server.processes.stopping import ForcedEnd
from tests.support.waiting import TIMEOUT_SECONDS, eventually

LONG_SECONDS = 3_600.0


async def test_signal_ends_the_main_loop_without_waiting_for_its_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop looks once, then waits until the signal, however long its pause is."""
    waits: list[float] = []

    async def until_set(event: asyncio.Event, seconds: float) -> None:
        waits.append(seconds)
        async with asyncio.timeout(LONG_SECONDS):
            await event.wait()

    monkeypatch.setattr("server.processes.serve.until_set", until_set)

    def begin(_end: ForcedEnd) -> None: ...

    monkeypatch.setattr(ForcedEnd, "begin", begin)
    app = FastAPI()
    server = Server(uvicorn.Config(app, log_config=None), app, "", None)
    server.last_notified = 0.0
    running = asyncio.create_task(server.main_loop())
    await eventually(lambda: bool(waits))
    server.handle_exit(signal.SIGTERM, None)
    await asyncio.wait_for(running, TIMEOUT_SECONDS)
    assert waits == [1.0]
