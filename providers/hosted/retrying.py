"""Retries: the pauses between attempts, and the limit after which they stop."""

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from providers.cancellation import raise_if_cancelled
from providers.port import Failure

log = logging.getLogger(__name__)

T = TypeVar("T")


class NoResponse(Exception):
    """There was no usable response. `harmless`: the request had no effect; `wait_seconds`: the requested pause."""

    def __init__(self, reason: str, *, harmless: bool, wait_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.harmless = harmless
        self.wait_seconds = wait_seconds


class Refused(Failure):
    """The response had a 4xx status. About work that is paid for, a single one proves nothing."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Pauses and timeouts, all in seconds.

    `poll` is the polling interval of an order. The pause between attempts doubles from `first_backoff` to
    `last_backoff`. A creation or a download is retried for `give_up_after`, what is refused about an order that is
    paid for only for `refusals`. `settling` are the pauses between searches for an order whose creation got no
    response.
    """

    poll: float = 2.0
    first_backoff: float = 0.5
    last_backoff: float = 30.0
    give_up_after: float = 600.0
    refusals: float = 300.0
    settling: tuple[float, ...] = (1.0, 2.0, 4.0)

    def backoffs(self) -> Iterator[float]:
        """Yield the pauses between attempts, endlessly, with jitter, so that renders do not retry at the same time."""
        pause = self.first_backoff
        while True:
            yield pause * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
            pause = min(self.last_backoff, pause * 2)


async def retry_until_available(
    pace: Pace, call: Callable[[], Awaitable[T]], *, give_up_after: float = math.inf, refusals: float = 0.0
) -> T:
    """Repeat an idempotent call until it gets a response.

    Raises the last NoResponse after `give_up_after` seconds, and a refusal when there were only such for `refusals`
    seconds.
    """
    give_up_at = time.monotonic() + give_up_after
    refused_until = math.inf
    backoffs = pace.backoffs()
    while True:
        try:
            return await call()
        except NoResponse as error:
            raise_if_cancelled(error)
            wait = max(next(backoffs), error.wait_seconds)
            if time.monotonic() + wait > give_up_at:
                raise
            log.info("retry in %.1f s: %s", wait, error, extra={"action": "hosted.retry"})
        except Refused as refusal:
            raise_if_cancelled(refusal)
            wait = next(backoffs)
            refused_until = min(refused_until, time.monotonic() + refusals)
            if refusals <= 0 or time.monotonic() + wait > min(give_up_at, refused_until):
                raise
            log.warning("retry in %.1f s: %s", wait, refusal, extra={"action": "hosted.refused"})
        await asyncio.sleep(wait)
