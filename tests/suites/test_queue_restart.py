"""A queue that is stopped and run again: no ticket is lost or duplicated, and no task or memory is left."""

import asyncio
import gc
import tracemalloc

import pytest

from coordinator.queue.embedded import EmbeddedQueue
from coordinator.queue.port import Queue, Snooze
from models.writes.change import Ticket
from tests.support.recording_handler import RecordingHandler, running
from tests.support.tickets import Open, at_once, ticket, tickets

pytestmark = pytest.mark.both_databases


async def test_stopped_queue_loses_no_ticket(open_queue: Open) -> None:
    """Running handlers are cancelled, and their tickets are handled by the next run like all others."""
    stopped: list[str] = []

    async def work(ticket: Ticket) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(ticket.scene_id)
            raise

    first, second = RecordingHandler(work), RecordingHandler()
    async with open_queue(at_once(2)) as queue:
        await queue.enqueue([*tickets(6), ticket("delayed", delay_seconds=0.3)])
        async with running(queue, first):
            await first.until(lambda: len(first.running) == 2)
        assert sorted(stopped) == sorted(first.names)
        async with running(queue, second):
            await second.until(lambda: len(second.given) == 7)
            await second.until_last(queue)
    assert sorted(second.names) == ["delayed", *(f"scene_{number}" for number in range(6))]


async def test_tickets_enqueued_again_after_a_restart_are_not_duplicated(open_queue: Open) -> None:
    """The reconciler enqueues all open scenes, into an empty queue in memory or a full one in Postgres."""
    first, second = RecordingHandler(forever), RecordingHandler()
    async with open_queue(at_once(2)) as queue:
        await queue.enqueue(tickets(6))
        async with running(queue, first):
            await first.until(lambda: len(first.running) == 2)
    async with open_queue(at_once(2)) as queue:
        await queue.enqueue(tickets(6))
        await queue.enqueue(tickets(6))
        async with running(queue, second):
            await second.until_last(queue)
    assert sorted(second.names) == [f"scene_{number}" for number in range(6)]


async def forever(_ticket: Ticket) -> None:
    await asyncio.Event().wait()


async def test_stopped_queue_leaves_no_task_behind(open_queue: Open) -> None:
    """Neither its own tasks nor its handlers."""
    before = asyncio.all_tasks()
    handler = RecordingHandler(forever)
    async with open_queue(at_once(3)) as queue:
        await queue.enqueue(tickets(5))
        async with running(queue, handler):
            await handler.until(lambda: len(handler.running) == 3)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_finished_tickets_use_no_memory() -> None:
    """In the queue in memory: handled or snoozed, and however often the queue is run."""
    batch = 60

    async def work(ticket: Ticket) -> None:
        if ticket.take_number % 10 == 0 and ticket.delay_seconds == 0 and ticket not in seen:
            seen.add(ticket)
            raise Snooze(0.0)

    async def run_batch(number: int, queue: Queue) -> None:
        handler = RecordingHandler(work)
        some = [Ticket("local", "job_1", "scene_1", number * batch + n) for n in range(batch)]
        await queue.enqueue(some)
        async with running(queue, handler):
            await handler.until(lambda: set(some) <= set(handler.given))
            await handler.until_last(queue)
        await queue.prune()
        seen.clear()

    def traced_bytes() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    seen = set[Ticket]()
    tracemalloc.start()
    try:
        queue = EmbeddedQueue(at_once(1))
        for number in range(3):
            await run_batch(number, queue)
        before = traced_bytes()
        for number in range(3, 7):
            await run_batch(number, queue)
        grown = traced_bytes() - before
    finally:
        tracemalloc.stop()
    assert grown / (4 * batch) < 60, "bytes a ticket"
