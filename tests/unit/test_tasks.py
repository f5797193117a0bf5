"""Background tasks with an owner: their errors are logged, and a stop waits for each part no longer than its limit."""

import asyncio
import gc
import logging
from contextlib import suppress

import pytest

from coordinator import tasks
from coordinator.tasks import RepeatedErrors, Stop, Tasks, cancel
from models.db.cancellation import raise_if_cancelled, shield_to_completion
from tests.support.waiting import TIMEOUT_SECONDS


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return the action and the part of each record."""
    return [(getattr(each, "action", ""), getattr(each, "part", "")) for each in caplog.records]


async def test_part_that_ignores_its_cancellation_is_logged_once_and_left_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One part does not stop; the other parts are stopped."""
    over = asyncio.Event()
    part = Tasks("stubborn")

    async def ignore_cancellation() -> None:
        while not over.is_set():
            with suppress(asyncio.CancelledError):
                await over.wait()

    stubborn, other = part.start(ignore_cancellation()), part.start(asyncio.Event().wait())
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await part.stop(0.05)
        assert (stubborn.done(), other.cancelled()) == (False, True)
        assert logged(caplog) == [("stop.gave_up", "stubborn")]
    finally:
        # The event loop waits for the task at its end, also when the test has failed.
        over.set()
    await stubborn


async def test_parts_share_the_limit_of_a_stop(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the limit each part still gets SHORTEST_SECONDS; an error of a part does not prevent the next stop."""
    limit, stopped, cancelled = Stop(0.05), asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def fail() -> None:
        raise OSError("no connection")

    async def stop() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        stopped.set()

    async with asyncio.timeout(TIMEOUT_SECONDS):
        await limit.part("hanging", hang(), 3_600.0)
        # The real moment may be over before a busy machine runs this process again.
        monkeypatch.setattr(tasks, "SHORTEST_SECONDS", TIMEOUT_SECONDS)
        await limit.part("failing", fail())
        await limit.part("orderly", stop())
    assert (stopped.is_set(), cancelled.is_set()) == (True, True)
    assert logged(caplog) == [("stop.gave_up", "hanging"), ("stop.failed", "failing")]


async def test_error_of_a_cancelled_task_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """asyncio does not log that it was never retrieved, whether the task ends within the limit or later."""
    over = asyncio.Event()

    async def fail(*, late: bool) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            if late:
                await over.wait()
            raise OSError("no connection")

    failing = [asyncio.create_task(fail(late=late)) for late in (False, True)]
    await asyncio.sleep(0)
    await cancel("work", failing, 0.05)
    assert [task.done() for task in failing] == [True, False]
    over.set()
    await asyncio.wait(failing)
    failing.clear()
    gc.collect()
    assert logged(caplog) == [("stop.gave_up", "work")]


async def test_error_of_a_background_task_is_logged_when_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    """The error is logged at once, not when the task is garbage collected."""
    part = Tasks("work")

    async def fail() -> None:
        raise ValueError("wrong")

    await asyncio.wait([part.start(fail())])
    await asyncio.sleep(0)
    assert logged(caplog) == [("task.failed", "work")]
    assert len(part) == 0


def test_repeated_error_is_recognized() -> None:
    """Only the same error of the same part; its traceback is logged once."""
    errors = RepeatedErrors()
    assert [errors.includes("dispatch", OSError("a")) for _ in range(2)] == [False, True]
    assert not errors.includes("webhooks", OSError("a"))
    assert not errors.includes("dispatch", OSError("b"))


async def test_error_of_a_cleanup_does_not_replace_a_cancellation() -> None:
    """Otherwise a loop that retries would never end."""

    async def work() -> None:
        try:
            try:
                await asyncio.Event().wait()
            finally:
                raise TimeoutError
        except TimeoutError as error:
            raise_if_cancelled(error)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_shielded_work_is_completed_before_the_cancellation(caplog: pytest.LogCaptureFixture) -> None:
    """Also when the cancellation comes repeatedly, and the work fails: its error is the cause."""
    caplog.set_level(logging.DEBUG)
    release = asyncio.Event()

    async def work() -> None:
        await release.wait()
        raise OSError("lost")

    task = asyncio.create_task(shield_to_completion(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [each for each in caplog.records if "never retrieved" in each.message]
