"""The turn that write transactions take: one at a time, in the order of arrival, never lost."""

import asyncio
import random

import pytest

from models.db.turn import Turn

LONG_SECONDS = 60.0


async def settle() -> None:
    """Let all that is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_free_turn_is_taken_at_once() -> None:
    turn = Turn()
    await turn.take()
    assert turn.is_taken
    assert turn.waiting == 0
    turn.give()
    assert not turn.is_taken


async def test_turn_is_handed_on_before_one_who_comes_later_can_take_it() -> None:
    turn = Turn()
    order: list[str] = []

    async def one(name: str) -> None:
        await turn.take(LONG_SECONDS)
        order.append(name)

    await turn.take()
    first = asyncio.create_task(one("first"))
    await settle()
    turn.give()
    late = asyncio.create_task(one("late"))
    await settle()
    assert order == ["first"]
    turn.give()
    await asyncio.gather(first, late)
    assert order == ["first", "late"]


async def test_wait_is_limited() -> None:
    turn = Turn()
    await turn.take()
    with pytest.raises(TimeoutError):
        await turn.take(0.01)
    assert turn.waiting == 0
    turn.give()
    assert not turn.is_taken


async def test_each_waits_as_long_as_its_own_limit() -> None:
    """In whatever order the limits end, and although others were given their turn meanwhile."""
    turn = Turn()
    await turn.take()
    loop = asyncio.get_running_loop()
    refused: dict[float, float] = {}

    async def wait(seconds: float) -> None:
        began = loop.time()
        with pytest.raises(TimeoutError):
            await turn.take(seconds)
        refused[seconds] = loop.time() - began

    given = asyncio.create_task(turn.take(0.01))
    await settle()
    limits = [0.05, LONG_SECONDS, 0.02, 0.08]
    waiting = [asyncio.create_task(wait(seconds)) for seconds in limits]
    without = asyncio.create_task(turn.take())
    await settle()
    turn.give()
    await given
    await asyncio.wait([waiting[0], waiting[2], waiting[3]])
    assert list(refused) == [0.02, 0.05, 0.08]
    assert all(took >= seconds for seconds, took in refused.items())
    assert turn.waiting == 2
    waiting[1].cancel()
    await settle()
    turn.give()
    await asyncio.wait_for(without, LONG_SECONDS)


async def test_turn_that_a_cancelled_task_was_handed_goes_to_the_next() -> None:
    turn = Turn()
    await turn.take()
    cancelled, next_one = asyncio.create_task(turn.take()), asyncio.create_task(turn.take(LONG_SECONDS))
    await settle()
    assert turn.waiting == 2
    turn.give()
    cancelled.cancel()
    await asyncio.wait_for(next_one, LONG_SECONDS)
    assert cancelled.cancelled()
    turn.give()
    assert not turn.is_taken


async def test_cancelled_task_waits_no_more() -> None:
    turn = Turn()
    await turn.take()
    waiting = asyncio.create_task(turn.take())
    await settle()
    waiting.cancel()
    await settle()
    assert turn.waiting == 0


@pytest.mark.parametrize("seed", range(20))
async def test_random_waits_and_cancellations(seed: int) -> None:
    chance = random.Random(seed)
    turn = Turn()
    arrived: list[int] = []
    served: list[int] = []
    holders = 0

    async def work(number: int) -> None:
        nonlocal holders
        arrived.append(number)
        await turn.take(chance.choice([None, LONG_SECONDS]))
        holders += 1
        served.append(number)
        try:
            assert holders == 1
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        finally:
            holders -= 1
            turn.give()

    tasks: list[asyncio.Task[None]] = []
    for number in range(60):
        tasks.append(asyncio.create_task(work(number)))
        if chance.random() < 0.4:
            chance.choice(tasks).cancel()
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
    _, late = await asyncio.wait(tasks, timeout=LONG_SECONDS)
    assert not late
    assert not [task for task in tasks if not task.cancelled() and task.exception()]
    assert served == sorted(served)
    assert len(served) >= sum(not task.cancelled() for task in tasks)
    assert not turn.is_taken
    assert turn.waiting == 0
