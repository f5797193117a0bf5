"""The light queue and event of websockets behave like those of asyncio."""

import asyncio

import pytest

from server.transports.light import LightEvent, LightQueue


async def test_items_arrive_in_order_also_for_a_reader_that_waits() -> None:
    """Those that were added before and while the reader waits."""
    queue = LightQueue[int]()
    reading = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    for item in (1, 2, 3):
        queue.put_nowait(item)
    assert [await reading, await queue.get(), await queue.get()] == [1, 2, 3]
    assert queue.empty()


async def test_cancelled_reader_takes_no_item() -> None:
    """Also when it is cancelled after the item was added, before it runs."""
    queue = LightQueue[str]()
    reading = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait("kept")
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()
    assert await queue.get() == "kept"


async def test_second_reader_is_refused() -> None:
    """It would never be woken."""
    queue = LightQueue[str]()
    reading = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError):
        await queue.get()
    queue.put_nowait("for the first")
    assert await reading == "for the first"


async def test_event_wakes_all_that_wait_and_only_once() -> None:
    """One of them was cancelled before."""
    event = LightEvent()
    waiting = [asyncio.create_task(event.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    event.set()
    await asyncio.wait(waiting)
    assert [task.cancelled() for task in waiting] == [False, True, False]
    await event.wait()
    event.clear()
    assert not event.is_set()
    again = asyncio.create_task(event.wait())
    await asyncio.sleep(0)
    assert not again.done()
    event.set()
    await again
