"""Trying again: how long to wait between two tries, and when to give up."""

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Unanswered(Exception):
    """No usable answer came. `harmless` when the request surely did nothing; `wait_seconds` is what was asked for."""

    def __init__(self, why: str, *, harmless: bool, wait_seconds: float = 0.0) -> None:
        super().__init__(why)
        self.harmless = harmless
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True)
class Pace:
    """How eager the provider is; all in seconds.

    `poll` is between two looks at a prediction. The pause between two tries doubles from `first_backoff` to
    `last_backoff`. `patience` is how long a purchase or a download is tried. `settling` are the pauses between the
    looks for a prediction of which nobody knows whether it was made.
    """

    poll: float = 2.0
    first_backoff: float = 0.5
    last_backoff: float = 30.0
    patience: float = 600.0
    settling: tuple[float, ...] = (1.0, 2.0, 4.0)

    def backoffs(self) -> Iterator[float]:
        """The pauses between tries, without end; they vary, so that many renders do not knock at the same time."""
        pause = self.first_backoff
        while True:
            yield pause * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
            pause = min(self.last_backoff, pause * 2)


async def retry_until_available(pace: Pace, act: Callable[[], Awaitable[T]], *, patience: float = math.inf) -> T:
    """Do what may be done twice until it is answered. Raises the last Unanswered after `patience` seconds."""
    give_up_at = time.monotonic() + patience
    backoffs = pace.backoffs()
    while True:
        try:
            return await act()
        except Unanswered as lost:
            wait = max(next(backoffs), lost.wait_seconds)
            if time.monotonic() + wait > give_up_at:
                raise
            log.info("trying again in %.1f s: %s", wait, lost, extra={"action": "replicate.retry"})
            await asyncio.sleep(wait)
