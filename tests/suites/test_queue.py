"""Conformance suite of the queue port, run on each implementation."""

import asyncio
import time

import pytest

from coordinator.queue import lanes, runner
from coordinator.queue.port import Queue, Snooze
from models.domain.access import EXTERNAL
from models.domain.errors import Unavailable
from models.writes.change import Ticket
from tests.support.recording_handler import RecordingHandler, running
from tests.support.tickets import Open, at_once, ticket, tickets
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.both_databases


async def test_every_ticket_is_handled(open_queue: Open) -> None:
    """Tickets enqueued before the run and during it, each unchanged."""
    handler = RecordingHandler()
    before, later = tickets(10), [ticket(f"later_{n}", n, 0.01, "other") for n in range(10)]
    async with open_queue(at_once(4, other=0)) as queue:
        await queue.enqueue(before)
        async with running(queue, handler):
            await handler.until(lambda: len(handler.given) == 10)
            await queue.enqueue(later)
            await handler.until(lambda: len(handler.given) == 20)
            await handler.until_last(queue)
    assert sorted(handler.given[:-1]) == sorted([*before, *later])


async def test_ticket_with_the_highest_priority_goes_first(open_queue: Open) -> None:
    """First in, first out among equal priorities; a later ticket of higher priority overtakes."""
    hold = asyncio.Event()

    async def work(ticket: Ticket) -> None:
        if ticket.scene_id == "d":
            await hold.wait()

    handler = RecordingHandler(work)
    async with open_queue(at_once(1)) as queue:
        await queue.enqueue([ticket("a", -5), ticket("b", 3), ticket("c", 3), ticket("d", 7), ticket("e", -5)])
        async with running(queue, handler):
            await handler.until(lambda: handler.running == {"d"})
            await queue.enqueue([ticket("f", 5)])
            hold.set()
            await handler.until_last(queue)
    assert handler.names == ["d", "f", "b", "c", "a", "e"]


async def test_waiting_ticket_is_not_enqueued_twice(open_queue: Open) -> None:
    """The reconciler enqueues it again and again."""
    handler = RecordingHandler()
    async with open_queue(at_once(1)) as queue:
        for _ in range(3):
            await queue.enqueue([ticket("a"), ticket("b"), ticket("a")])
        async with running(queue, handler):
            await handler.until_last(queue)
    assert sorted(handler.names) == ["a", "b"]


async def test_running_ticket_is_not_enqueued_twice(open_queue: Open) -> None:
    """Once it is finished, the same ticket can be enqueued again."""
    hold = asyncio.Event()

    async def work(_ticket: Ticket) -> None:
        await hold.wait()

    handler = RecordingHandler(work)
    async with open_queue(at_once(2)) as queue:
        await queue.enqueue([ticket("a")])
        async with running(queue, handler):
            await handler.until(lambda: handler.running == {"a"})
            await queue.enqueue([ticket("a"), ticket("b")])
            await handler.until(lambda: "b" in handler.running)
            hold.set()
            await handler.until_last(queue)
            assert handler.names == ["a", "b"]
            await enqueue_until_handled(queue, ticket("a"), handler)
    assert handler.names == ["a", "b", "a"]


async def enqueue_until_handled(queue: Queue, again: Ticket, handler: RecordingHandler) -> None:
    """Enqueue a ticket until it is handled: the queue records that it is finished a moment after its handler ends."""
    before = len(handler.given)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while len(handler.given) == before:
            await queue.enqueue([again])
            await asyncio.sleep(0.02)


async def test_delayed_ticket_waits_and_is_overtaken_by_others(open_queue: Open) -> None:
    """Not before its delay is over; then its priority counts."""
    handler = RecordingHandler()
    async with open_queue(at_once(1)) as queue, running(queue, handler):
        enqueued_at = time.monotonic()
        await queue.enqueue([ticket("late", 9, delay_seconds=0.4), ticket("now")])
        await handler.until(lambda: len(handler.given) == 2)
    waited = dict(zip(handler.names, (at - enqueued_at for at in handler.given_at), strict=True))
    assert waited["late"] >= 0.39
    # On a busy machine the first ticket may be taken when both are due.
    assert waited["now"] < waited["late"] or waited["now"] >= 0.39


async def test_idle_queue_is_woken_by_a_new_ticket(open_queue: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a notification, not by polling."""
    # Without polling only the notification can wake it.
    monkeypatch.setattr(runner, "POLL_SECONDS", 3_600.0)
    handler = RecordingHandler()
    async with open_queue(at_once(1)) as queue, running(queue, handler):
        await queue.enqueue([ticket("first")])
        await handler.until(lambda: len(handler.given) == 1)
        for number in range(3):
            await queue.enqueue([ticket(f"more_{number}")])
            await handler.until(lambda: len(handler.given) > number + 1)  # noqa: B023 # awaited within the turn


@pytest.mark.parametrize("number", [1, 2, 5])
async def test_concurrency_reaches_the_limit_and_never_exceeds_it(open_queue: Open, number: int) -> None:
    """A limit of one included, which PgQueuer does not support by itself."""

    async def work(_ticket: Ticket) -> None:
        await handler.until(lambda: handler.most["all"] >= number)
        await asyncio.sleep(0.03)

    handler = RecordingHandler(work)
    async with open_queue(at_once(number)) as queue:
        await queue.enqueue(tickets(4 * number))
        async with running(queue, handler):
            await handler.until_last(queue)
    assert handler.most["all"] == number
    assert len(handler.names) == 4 * number


async def test_concurrency_of_a_provider_is_limited_apart(open_queue: Open) -> None:
    """Its waiting tickets do not block those of other providers."""

    async def work(_ticket: Ticket) -> None:
        await asyncio.sleep(0.03)

    handler = RecordingHandler(work)
    async with open_queue(at_once(4, costly=1)) as queue:
        await queue.enqueue([ticket(f"costly_{n}", 5, provider="costly") for n in range(4)])
        await queue.enqueue(tickets(8))
        async with running(queue, handler):
            await handler.until(lambda: len(handler.given) == 12 and not handler.running)
    assert handler.most["costly"] == 1
    assert 2 <= handler.most["local"] <= handler.most["all"] <= 4


async def test_clips_of_external_workers_are_fetched_beside_renders(open_queue: Open) -> None:
    """They take no render's place and wait for none, up to a limit of their own."""
    hold = asyncio.Event()

    async def work(_ticket: Ticket) -> None:
        await hold.wait()

    handler = RecordingHandler(work)
    fetched = [ticket(f"external_{number}", number, provider=EXTERNAL) for number in range(2 * lanes.ADOPTIONS_AT_ONCE)]
    async with open_queue(at_once(1)) as queue, running(queue, handler):
        await queue.enqueue([ticket("a"), *fetched, ticket("b")])
        await handler.until(lambda: len(handler.running) == 1 + lanes.ADOPTIONS_AT_ONCE)
        assert len({"a", "b"} & handler.running) == 1
        hold.set()
        await handler.until(lambda: len(handler.given) == 2 + len(fetched))
    assert (handler.most[EXTERNAL], handler.most["local"]) == (lanes.ADOPTIONS_AT_ONCE, 1)


async def test_snoozed_ticket_is_handled_again(open_queue: Open) -> None:
    """After the delay of the Snooze; another ticket runs meanwhile."""

    async def work(ticket: Ticket) -> None:
        if ticket.scene_id == "a" and len(handler.given) == 1:
            raise Snooze(0.4)

    handler = RecordingHandler(work)
    async with open_queue(at_once(1)) as queue, running(queue, handler):
        await queue.enqueue([ticket("a", 1), ticket("b")])
        await handler.until(lambda: len(handler.given) == 3)
    assert handler.names == ["a", "b", "a"]
    assert 0.39 <= handler.given_at[2] - handler.given_at[0] < 5


@pytest.mark.parametrize(
    ("error", "logged"),
    [(RuntimeError("a defect"), 1), (Unavailable("UNAVAILABLE", "The database does not answer."), 0)],
    ids=["a defect", "the database is unavailable"],
)
async def test_ticket_whose_handler_failed_is_handled_again(
    open_queue: Open, caplog: pytest.LogCaptureFixture, error: Exception, logged: int
) -> None:
    """Other tickets run meanwhile. A defect is logged once; an unavailable database is logged elsewhere."""

    async def work(ticket: Ticket) -> None:
        if ticket.scene_id == "a" and handler.names.count("a") == 1:
            raise error

    handler = RecordingHandler(work)
    async with open_queue(at_once(1)) as queue, running(queue, handler):
        await queue.enqueue([ticket("a", 1), ticket("b")])
        await handler.until(lambda: len(handler.given) == 3)
    assert handler.names == ["a", "b", "a"]
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == logged
