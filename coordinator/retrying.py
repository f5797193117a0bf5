"""Waiting for events, and retries while the database or the media storage is unavailable."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Never, TypeVar

from coordinator.signal import Signal
from models.db.cancellation import raise_if_cancelled
from models.domain.errors import Unavailable

log = logging.getLogger(__name__)

# The pause before the next attempt at anything that failed because the database was unavailable.
RETRY_SECONDS = 0.5
# Repeated unexpected errors double the pause up to this, so that a defect does not flood the log.
LONGEST_RETRY_SECONDS = 30.0

T = TypeVar("T")


async def until_set(event: asyncio.Event | Signal, seconds: float | None) -> None:
    """Wait until the event is set, at most `seconds`; None: without limit.

    Not by `asyncio.wait_for`: before Python 3.12 it swallows a cancellation that arrives together with the event.
    """
    if seconds is None:
        await event.wait()
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def retry_until_available(
    call: Callable[[], Awaitable[T]],
    *,
    retry_on: type[Exception] = Unavailable,
    pause_seconds: float = RETRY_SECONDS,
    give_up_after_seconds: float = math.inf,
) -> T:
    """Return the result of `call`, called again as long as it raises `retry_on`.

    Raises the last error once the next attempt would start later than `give_up_after_seconds` from now.
    """
    give_up_at = time.monotonic() + give_up_after_seconds
    while True:
        try:
            return await call()
        except retry_on as error:
            raise_if_cancelled(error)
            if time.monotonic() + pause_seconds > give_up_at:
                raise
            await asyncio.sleep(pause_seconds)


async def run_when_woken(
    woken: asyncio.Event | Signal,
    work: Callable[[], Awaitable[None]],
    *,
    name: str,
    action: str,
    poll_seconds: float | None = None,
) -> Never:
    """Call `work` each time `woken` is set, and at least every `poll_seconds` if given; after an error, call it again.

    `work` must put back what it has taken when it raises. Unexpected errors are logged under `action`.
    """
    pause = RETRY_SECONDS
    while True:
        await until_set(woken, poll_seconds)
        woken.clear()
        try:
            await work()
        except Unavailable as error:
            raise_if_cancelled(error)
            log.debug("%s waits: %s", name, error, extra={"action": f"{action}.unavailable"})
            await asyncio.sleep(RETRY_SECONDS)
            woken.set()
        except Exception as error:
            raise_if_cancelled(error)
            log.exception("%s failed and is retried in %g s", name, pause, extra={"action": f"{action}.failed"})
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)
            woken.set()
        else:
            pause = RETRY_SECONDS
