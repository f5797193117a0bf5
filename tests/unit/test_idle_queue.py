"""The work of a queue that has nothing to do, which is most of what an idle server does."""

import asyncio
from typing import Any

import pytest

from coordinator.queue.embedded import EmbeddedQueue
from coordinator.queue.port import Concurrency
from tests.support.recording_handler import RecordingHandler
from tests.support.tickets import tickets
from tests.support.waiting import TIMEOUT_SECONDS, eventually

WATCHED_SECONDS = 2.0
MOST_TIMERS = 16


async def test_idle_queue_wakes_up_a_few_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """PgQueuer alone sets some 80 timers in this time. After it, work is handled as usual."""
    loop = asyncio.get_running_loop()
    handler = RecordingHandler()

    async def assemble(_assembly: object) -> None: ...

    queue = EmbeddedQueue(Concurrency(2, {"scripted": 0}))
    running = asyncio.create_task(queue.run(handler, assemble))
    await asyncio.sleep(0.2)
    timers = 0
    call_at = loop.call_at

    def counted(*arguments: Any, **options: Any) -> asyncio.TimerHandle:
        nonlocal timers
        timers += 1
        return call_at(*arguments, **options)

    monkeypatch.setattr(loop, "call_at", counted)
    await asyncio.sleep(WATCHED_SECONDS)
    monkeypatch.undo()
    assert 0 < timers <= MOST_TIMERS
    await queue.enqueue(tickets(3))
    await eventually(lambda: len(handler.given) == 3)
    running.cancel()
    await asyncio.wait([running], timeout=TIMEOUT_SECONDS)
