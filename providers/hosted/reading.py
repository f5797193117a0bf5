"""What is read from a service in the background and kept, such as the schema of a model."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar

from providers.cancellation import raise_if_cancelled
from providers.hosted.retrying import NoResponse, Pace, Refused, retry_until_available
from providers.port import Failure

log = logging.getLogger(__name__)

T = TypeVar("T")

REFRESH_SECONDS = 3600.0
# After a refusal, such as that of a wrong token.
REFUSED_SECONDS = 60.0
NOT_READ_YET = "It is being read from the service."
# How long a clip that is there waits for what is known of its model.
SOON_SECONDS = 30.0
# Refusals of the account: what was known before cannot be bought either.
_OF_ACCOUNT = ("UNAUTHORIZED", "FORBIDDEN", "PAYMENT_REQUIRED")


class Reading(Generic[T]):
    """Reads something at the start and every hour. What was read last stays while the service does not respond.

    `read` raises NoResponse, Refused, or ValueError for what cannot be used.
    """

    def __init__(self, what: str, read: Callable[[], Awaitable[T]], pace: Pace) -> None:
        self._what = what
        self._read = read
        self._pace = pace
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.known: T | None = None
        self.problem: str | None = NOT_READ_YET

    def start(self) -> None:
        """Begin to read, in the event loop that runs. Idempotent."""
        if self._task is None:
            # What it asks for hour by hour is no part of the trace of the render that began it.
            name = f"read {self._what}"
            self._task = asyncio.create_task(self._keep_reading(), name=name, context=Context())

    async def get(self) -> T:
        """Return what is known, or read it first. Raises Failure when that is not possible; nothing was bought then."""
        if self.known is not None:
            return self.known
        try:
            return await retry_until_available(self._pace, self._attempt, give_up_after=self._pace.give_up_after)
        except NoResponse as error:
            message = f"The description of {self._what} cannot be read: {error}."
            raise Failure("PROVIDER_UNAVAILABLE", message, retryable=True) from error
        except Refused as refusal:
            raise Failure(refusal.code, refusal.message, retryable=False) from refusal
        except ValueError as error:
            raise Failure("MODEL_UNUSABLE", f"{self._what} cannot be used: {error}.", retryable=False) from error

    async def soon(self) -> T | None:
        """Return what is known, or read it first; None when that is not possible soon."""
        try:
            async with asyncio.timeout(SOON_SECONDS):
                return await self.get()
        except (Failure, TimeoutError) as error:
            raise_if_cancelled(error)
            return None

    async def close(self) -> None:
        """Stop to read."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _attempt(self) -> T:
        async with self._lock:
            try:
                found = await self._read()
            except NoResponse as error:
                if self.known is None:
                    self.problem = f"The service does not respond: {error}."
                raise
            except Refused as refusal:
                if self.known is None or refusal.code in _OF_ACCOUNT:
                    self.problem = refusal.message
                raise
            except ValueError as error:
                self.problem = f"It cannot be used: {error}."
                raise
            except Exception as error:
                # What others write may break any parser; the next one may not.
                raise_if_cancelled(error)
                log.exception("%s is not understood", self._what, extra={"action": "hosted.not_understood"})
                self.problem = "It cannot be used: it is not understood."
                raise ValueError("it is not understood") from error
            self.known, self.problem = found, None
            return found

    async def _keep_reading(self) -> None:
        backoffs = self._pace.backoffs()
        while True:
            try:
                await self._attempt()
            except NoResponse as error:
                raise_if_cancelled(error)
                wait = max(next(backoffs), error.wait_seconds)
            except (Refused, ValueError) as error:
                raise_if_cancelled(error)
                wait = REFUSED_SECONDS
                log.warning("%s: %s", self._what, error, extra={"action": "hosted.not_readable"})
            else:
                backoffs = self._pace.backoffs()
                wait = REFRESH_SECONDS
            await asyncio.sleep(wait)
