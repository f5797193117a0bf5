"""What every queue promises to those who put tickets in and to the one who handles them."""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from coordinator.queue.embedded import EmbeddedQueue
from coordinator.queue.port import Concurrency, Queue, Snooze
from models.domain.errors import Unavailable
from models.writes.change import Assembly, Ticket
from tests.support.database_choice import database_choice
from tests.support.postgres_processes import queue_for
from tests.support.recording_handler import RecordingHandler, running
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.both_databases

Opened = AbstractAsyncContextManager[Queue]
Open = Callable[[Concurrency], Opened]


@pytest.fixture
def open_queue(database: None, tmp_path: Path) -> Generator[Open]:
    """Opens the queue that goes with each database; opened again it is another process's."""
    yield partial(queue_for, tmp_path)
    database_choice.drop(tmp_path)


def at_once(number: int, **of_provider: int) -> Concurrency:
    """So many renders side by side, of each provider as told or without a limit."""
    return Concurrency(number, {"local": 0} | of_provider)


def ticket(name: str, priority: int = 0, delay_seconds: float = 0.0, provider: str = "local") -> Ticket:
    """A ticket of the scene of that name."""
    return Ticket(provider, "job_1", name, 1, priority, delay_seconds)


def tickets(number: int) -> list[Ticket]:
    """As many different tickets."""
    return [ticket(f"scene_{index}") for index in range(number)]


async def test_every_ticket_is_handled(open_queue: Open) -> None:
    """Those that were there before, and those that come later; each as it was put in."""
    renderer = RecordingHandler()
    before, later = tickets(10), [ticket(f"later_{n}", n, 0.01, "other") for n in range(10)]
    async with open_queue(at_once(4, other=0)) as queue:
        await queue.enqueue(before)
        async with running(queue, renderer):
            await renderer.until(lambda: len(renderer.given) == 10)
            await queue.enqueue(later)
            await renderer.until(lambda: len(renderer.given) == 20)
            await renderer.until_last(queue)
    assert sorted(renderer.given[:-1]) == sorted([*before, *later])


async def test_the_highest_priority_goes_first(open_queue: Open) -> None:
    """And first come first served among equals, also when a more urgent one comes late."""
    hold = asyncio.Event()

    async def work(ticket: Ticket) -> None:
        if ticket.scene_id == "d":
            await hold.wait()

    renderer = RecordingHandler(work)
    async with open_queue(at_once(1)) as queue:
        await queue.enqueue([ticket("a", -5), ticket("b", 3), ticket("c", 3), ticket("d", 7), ticket("e", -5)])
        async with running(queue, renderer):
            await renderer.until(lambda: renderer.running == {"d"})
            await queue.enqueue([ticket("f", 5)])
            hold.set()
            await renderer.until_last(queue)
    assert renderer.names == ["d", "f", "b", "c", "a", "e"]


async def test_a_ticket_that_waits_is_not_taken_twice(open_queue: Open) -> None:
    """The reconciler may offer it as often as it likes."""
    renderer = RecordingHandler()
    async with open_queue(at_once(1)) as queue:
        for _ in range(3):
            await queue.enqueue([ticket("a"), ticket("b"), ticket("a")])
        async with running(queue, renderer):
            await renderer.until_last(queue)
    assert sorted(renderer.names) == ["a", "b"]


async def test_a_ticket_that_runs_is_not_taken_twice(open_queue: Open) -> None:
    """Nor is it while it is being handled; once it is done it is as good as new."""
    hold = asyncio.Event()

    async def work(_ticket: Ticket) -> None:
        await hold.wait()

    renderer = RecordingHandler(work)
    async with open_queue(at_once(2)) as queue:
        await queue.enqueue([ticket("a")])
        async with running(queue, renderer):
            await renderer.until(lambda: renderer.running == {"a"})
            await queue.enqueue([ticket("a"), ticket("b")])
            await renderer.until(lambda: "b" in renderer.running)
            hold.set()
            await renderer.until_last(queue)
            assert renderer.names == ["a", "b"]
            await accepted_again(queue, ticket("a"), renderer)
    assert renderer.names == ["a", "b", "a"]


async def accepted_again(queue: Queue, again: Ticket, renderer: RecordingHandler) -> None:
    """Offer a ticket until the queue has heard that it was done; its handler knew a moment earlier."""
    before = len(renderer.given)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while len(renderer.given) == before:
            await queue.enqueue([again])
            await asyncio.sleep(0.02)


async def test_a_ticket_with_a_delay_waits_and_lets_others_pass(open_queue: Open) -> None:
    """Not sooner, and hardly later."""
    renderer = RecordingHandler()
    async with open_queue(at_once(1)) as queue, running(queue, renderer):
        put_at = time.monotonic()
        await queue.enqueue([ticket("late", 9, delay_seconds=0.4), ticket("now")])
        await renderer.until(lambda: len(renderer.given) == 2)
    assert renderer.names == ["now", "late"]
    assert 0.39 <= renderer.given_at[1] - put_at < 5


async def test_an_idle_queue_wakes_up_at_once(open_queue: Open) -> None:
    """Who waits for a picture does not wait for a clock."""
    renderer = RecordingHandler()
    async with open_queue(at_once(1)) as queue, running(queue, renderer):
        await queue.enqueue([ticket("first")])
        await renderer.until(lambda: len(renderer.given) == 1)
        for number in range(3):
            put_at = time.monotonic()
            await queue.enqueue([ticket(f"more_{number}")])
            await renderer.until(lambda: len(renderer.given) > number + 1)  # noqa: B023 # awaited within the turn
            assert renderer.given_at[-1] - put_at < 1


@pytest.mark.parametrize("number", [1, 2, 5])
async def test_so_many_run_side_by_side_and_not_one_more(open_queue: Open, number: int) -> None:
    """The limit is used up and kept, for one as for many."""

    async def work(_ticket: Ticket) -> None:
        await asyncio.sleep(0.03)

    renderer = RecordingHandler(work)
    async with open_queue(at_once(number)) as queue:
        await queue.enqueue(tickets(4 * number))
        async with running(queue, renderer):
            await renderer.until_last(queue)
    assert renderer.most["all"] == number
    assert len(renderer.names) == 4 * number


async def test_a_provider_may_have_a_limit_of_its_own(open_queue: Open) -> None:
    """It is kept, and does not hold up the others."""

    async def work(_ticket: Ticket) -> None:
        await asyncio.sleep(0.03)

    renderer = RecordingHandler(work)
    async with open_queue(at_once(4, dear=1)) as queue:
        await queue.enqueue([ticket(f"dear_{n}", 5, provider="dear") for n in range(4)])
        await queue.enqueue(tickets(8))
        async with running(queue, renderer):
            await renderer.until(lambda: len(renderer.given) == 12 and not renderer.running)
    assert renderer.most["dear"] == 1
    assert 2 <= renderer.most["local"] <= renderer.most["all"] <= 4


class TestAssemblies:
    """Clips to be joined, beside the renders."""

    async def test_they_take_the_place_of_no_render_and_wait_for_none(self, open_queue: Open) -> None:
        """One after the other, while as many renders as ever are under way; and each once."""
        joined: list[Assembly] = []
        all_are_joined, joining = asyncio.Event(), asyncio.Lock()

        async def render(_ticket: Ticket) -> None:
            await all_are_joined.wait()

        async def join(assembly: Assembly) -> None:
            assert not joining.locked()
            async with joining:
                await asyncio.sleep(0.02)
                joined.append(assembly)
            if len(joined) == 3:
                all_are_joined.set()

        renderer = RecordingHandler(render)
        assemblies = [Assembly("job_1", cut) for cut in (3, 5, 8)]
        async with open_queue(at_once(2)) as queue:
            await queue.enqueue([*tickets(4), *assemblies, *assemblies])
            async with running(queue, renderer, join):
                await renderer.until(lambda: len(renderer.running) == 2)
                await all_are_joined.wait()
                await renderer.until(lambda: len(renderer.given) == 4 and not renderer.running)
        assert renderer.most["all"] == 2
        assert sorted(joined) == assemblies

    async def test_one_that_must_wait_comes_back(self, open_queue: Open) -> None:
        """As a ticket does."""
        tries = 0
        done = asyncio.Event()

        async def join(_assembly: Assembly) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise Snooze(0.05)
            done.set()

        async with open_queue(at_once(1)) as queue:
            await queue.enqueue([Assembly("job_1", 3)])
            async with running(queue, RecordingHandler(), join), asyncio.timeout(TIMEOUT_SECONDS):
                await done.wait()
        assert tries == 2

    async def test_they_wait_for_a_process_that_joins(self, open_queue: Open) -> None:
        """One that only renders leaves them alone."""
        renderer, done = RecordingHandler(), asyncio.Event()

        async def join(_assembly: Assembly) -> None:
            done.set()

        async with open_queue(at_once(1)) as queue:
            await queue.enqueue([Assembly("job_1", 3)])
            async with running(queue, renderer):
                await renderer.until_last(queue)
            assert not done.is_set()
            async with running(queue, renderer, join), asyncio.timeout(TIMEOUT_SECONDS):
                await done.wait()


async def test_a_ticket_that_must_wait_comes_back(open_queue: Open) -> None:
    """After the time it asked for; its place is free meanwhile."""

    async def work(ticket: Ticket) -> None:
        if ticket.scene_id == "a" and len(renderer.given) == 1:
            raise Snooze(0.4)

    renderer = RecordingHandler(work)
    async with open_queue(at_once(1)) as queue, running(queue, renderer):
        await queue.enqueue([ticket("a", 1), ticket("b")])
        await renderer.until(lambda: len(renderer.given) == 3)
    assert renderer.names == ["a", "b", "a"]
    assert 0.39 <= renderer.given_at[2] - renderer.given_at[0] < 5


@pytest.mark.parametrize(
    ("error", "logged"),
    [(RuntimeError("a defect"), 1), (Unavailable("UNAVAILABLE", "The database does not answer."), 0)],
    ids=["a defect", "the database is away"],
)
async def test_a_ticket_whose_handler_fails_comes_back(
    open_queue: Open, caplog: pytest.LogCaptureFixture, error: Exception, logged: int
) -> None:
    """Others go on meanwhile. A defect is told to the operator, once; a database that is away is told elsewhere."""

    async def work(ticket: Ticket) -> None:
        if ticket.scene_id == "a" and renderer.names.count("a") == 1:
            raise error

    renderer = RecordingHandler(work)
    async with open_queue(at_once(1)) as queue, running(queue, renderer):
        await queue.enqueue([ticket("a", 1), ticket("b")])
        await renderer.until(lambda: len(renderer.given) == 3)
    assert renderer.names == ["a", "b", "a"]
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == logged


async def test_stopping_loses_no_ticket(open_queue: Open) -> None:
    """What was being handled is told to stop, and comes again with all the rest at the next run."""
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
            asked_at = time.monotonic()
        assert time.monotonic() - asked_at < 3
        assert sorted(stopped) == sorted(first.names)
        async with running(queue, second):
            await second.until(lambda: len(second.given) == 7)
            await second.until_last(queue)
    assert sorted(second.names) == ["delayed", *(f"scene_{number}" for number in range(6))]


async def test_everything_may_be_offered_again_after_a_restart(open_queue: Open) -> None:
    """The reconciler offers what is open to whatever queue there is then; nothing runs twice by that."""
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


async def test_a_stopped_queue_leaves_no_task_behind(open_queue: Open) -> None:
    """Neither of the queue nor of what it handled."""
    before = asyncio.all_tasks()
    renderer = RecordingHandler(forever)
    async with open_queue(at_once(3)) as queue:
        await queue.enqueue(tickets(5))
        async with running(queue, renderer):
            await renderer.until(lambda: len(renderer.running) == 3)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_what_is_done_with_takes_no_memory() -> None:
    """In the queue that lives there: handled, forgotten or put off, and however often the queue was started."""
    batch = 60

    async def work(ticket: Ticket) -> None:
        if ticket.take_number % 10 == 0 and ticket.delay_seconds == 0 and ticket not in seen:
            seen.add(ticket)
            raise Snooze(0.0)

    async def turn(number: int, queue: Queue) -> None:
        renderer = RecordingHandler(work)
        some = [Ticket("local", "job_1", "scene_1", number * batch + n) for n in range(batch)]
        await queue.enqueue(some)
        async with running(queue, renderer):
            await renderer.until(lambda: set(some) <= set(renderer.given))
            await renderer.until_last(queue)
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
            await turn(number, queue)
        before = traced_bytes()
        for number in range(3, 7):
            await turn(number, queue)
        grown = traced_bytes() - before
    finally:
        tracemalloc.stop()
    assert grown / (4 * batch) < 60, "bytes a ticket"
