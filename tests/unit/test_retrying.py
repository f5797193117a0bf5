"""Retries: a call that is repeated until it succeeds, and a loop that runs work whenever it is woken."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from coordinator import retrying
from coordinator.retrying import retry_until_available, run_when_woken
from models.domain.errors import Unavailable
from tests.support.waiting import TIMEOUT_SECONDS

UNAVAILABLE = Unavailable("UNAVAILABLE", "The database does not answer.")
PAUSE_SECONDS = 0.01


class Failing:
    """A call that raises the given errors, one per call, and then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.calls = 0
        self.called = asyncio.Semaphore(0)
        self.succeeded = asyncio.Event()

    async def __call__(self) -> int:
        self.calls += 1
        self.called.release()
        if self._errors:
            raise self._errors.pop(0)
        self.succeeded.set()
        return self.calls

    async def work(self) -> None:
        """The same, without a result."""
        await self()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "RETRY_SECONDS", PAUSE_SECONDS)


@asynccontextmanager
async def running(
    woken: asyncio.Event, call: Failing, poll_seconds: float | None = None
) -> AsyncGenerator[asyncio.Task[None]]:
    """Run the call whenever it is woken, for the duration of the block."""
    loop = run_when_woken(woken, call.work, name="the work", action="work", poll_seconds=poll_seconds)
    task = asyncio.create_task(loop)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_call_is_repeated_until_it_succeeds() -> None:
    """Returns the result of the call that succeeded."""
    call = Failing(UNAVAILABLE, UNAVAILABLE)
    assert await retry_until_available(call, pause_seconds=PAUSE_SECONDS) == 3


async def test_a_call_that_fails_otherwise_is_not_repeated() -> None:
    """Only `retry_on` is retried."""
    call = Failing(UNAVAILABLE, KeyError("defect"))
    with pytest.raises(KeyError):
        await retry_until_available(call, pause_seconds=PAUSE_SECONDS)
    assert call.calls == 2


async def test_a_call_is_given_up_before_its_deadline() -> None:
    """Raises the last error rather than sleep past the deadline."""
    call = Failing(*[UNAVAILABLE] * 100)
    with pytest.raises(Unavailable):
        await retry_until_available(call, pause_seconds=0.04, give_up_after_seconds=0.1)
    assert 2 <= call.calls <= 3


async def test_work_runs_once_for_each_wake() -> None:
    """It does not run before the first wake, nor by itself afterwards."""
    woken, call = asyncio.Event(), Failing()
    async with running(woken, call):
        await asyncio.sleep(5 * PAUSE_SECONDS)
        assert call.calls == 0
        woken.set()
        await call.succeeded.wait()
        await asyncio.sleep(5 * PAUSE_SECONDS)
    assert call.calls == 1


async def test_work_runs_again_after_the_poll_interval() -> None:
    """Without any wake."""
    call = Failing()
    async with running(asyncio.Event(), call, poll_seconds=PAUSE_SECONDS):
        for _ in range(3):
            await call.called.acquire()


@pytest.mark.parametrize(
    ("error", "logged"), [(UNAVAILABLE, 0), (KeyError("defect"), 1)], ids=["unavailable", "unexpected"]
)
async def test_work_that_failed_is_retried_without_another_wake(
    caplog: pytest.LogCaptureFixture, error: Exception, logged: int
) -> None:
    """An unexpected error is logged once per attempt; an unavailable database is not an error of the work."""
    woken, call = asyncio.Event(), Failing(error)
    async with running(woken, call) as task:
        woken.set()
        await call.succeeded.wait()
        assert not task.done()
    assert call.calls == 2
    assert [record.levelname for record in caplog.records] == ["ERROR"] * logged


async def test_repeated_unexpected_errors_are_retried_ever_more_slowly(caplog: pytest.LogCaptureFixture) -> None:
    """The pause doubles up to LONGEST_RETRY_SECONDS, so a defect does not flood the log."""
    woken, call = asyncio.Event(), Failing(*[KeyError("defect")] * 3)
    async with running(woken, call):
        woken.set()
        await call.succeeded.wait()
    pauses = [record.args[1] for record in caplog.records if isinstance(record.args, tuple)]
    assert pauses == [PAUSE_SECONDS, 2 * PAUSE_SECONDS, 4 * PAUSE_SECONDS]
