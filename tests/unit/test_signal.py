"""Signal: an event with one waiter."""

import asyncio

import pytest

from coordinator.signal import Signal


async def test_signal_wakes_its_waiter_and_stays_set() -> None:
    """Until it is cleared; setting it twice is the same as once."""
    signal = Signal()
    waiting = asyncio.create_task(signal.wait())
    await asyncio.sleep(0)
    signal.set()
    signal.set()
    await waiting
    await signal.wait()
    signal.clear()
    assert not signal.is_set()


async def test_cancelled_waiter_leaves_the_signal_to_the_next_one() -> None:
    """Only one may wait at a time."""
    signal = Signal()
    waiting = asyncio.create_task(signal.wait())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError):
        await signal.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    following = asyncio.create_task(signal.wait())
    await asyncio.sleep(0)
    signal.set()
    await following
