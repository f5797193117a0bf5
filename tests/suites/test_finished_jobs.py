"""The results of finished jobs of the queue: each is written at once, and again when the write failed."""

import asyncio
from typing import Any

import pytest

from coordinator.queue import pgqueuer_memory
from coordinator.queue.pgqueuer_memory import FinishedJobs
from tests.support.waiting import eventually


class FailingLog:
    """A database that refuses the first writes."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.written: list[str] = []

    async def log_jobs(self, job_status: list[Any]) -> None:
        """Write results, or fail."""
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        self.written.extend(job_status)


async def test_result_is_written_at_once() -> None:
    """Without a timer, in the tasks that are ready."""
    log = FailingLog(failures=0)
    async with FinishedJobs(max_size=1, repository=log) as results:
        await results.add("first")  # pyright: ignore[reportArgumentType] # the buffer looks at no result
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert log.written == ["first"]


async def test_failed_write_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it succeeds, with what was added meanwhile; each result is written once."""
    monkeypatch.setattr(pgqueuer_memory, "REPEAT_SECONDS", 0.01)
    log = FailingLog(failures=3)
    async with FinishedJobs(max_size=1, repository=log) as results:
        await results.add("first")  # pyright: ignore[reportArgumentType]
        await results.add("second")  # pyright: ignore[reportArgumentType]
        await eventually(lambda: len(log.written) == 2)
    assert sorted(log.written) == ["first", "second"]


async def test_result_of_a_failed_write_is_written_at_the_end() -> None:
    """What is left when the queue stops."""
    log = FailingLog(failures=1)
    async with FinishedJobs(max_size=1, repository=log) as results:
        await results.add("first")  # pyright: ignore[reportArgumentType]
    assert log.written == ["first"]
