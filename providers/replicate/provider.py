"""The provider: creates a prediction, polls it, and downloads its output."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager

from providers.cancellation import raise_if_cancelled
from providers.port import Failure, Order, Progress, Rendered
from providers.replicate import logs
from providers.replicate.api import Api
from providers.replicate.downloads import Downloads
from providers.replicate.model import Model
from providers.replicate.posters import illustrated
from providers.replicate.prediction import Prediction, clip_url
from providers.replicate.purchases import Purchases
from providers.replicate.retrying import NoResponse, Pace, retry_until_available
from providers.replicate.watch import Watch

log = logging.getLogger(__name__)

# Shorter than `give_up_after`: a client waits for the response to a cancel.
CANCEL_TIMEOUT_SECONDS = 60.0


class ReplicateProvider:
    """Makes clips by a model. Replicate cancels a prediction that takes longer than `lifetime_seconds`.

    No order is paid for twice: its prediction is searched for before it is created, and again when the creation got no
    response. When the search fails as well, the order fails, not retryably: only a person may decide to create another.
    """

    name = "replicate"

    def __init__(self, api: Api, model: Model, pace: Pace, *, lifetime_seconds: float, most_bytes: int) -> None:
        self._api = api
        self._model = model
        self._pace = pace
        self._lifetime_seconds = lifetime_seconds
        self._purchases = Purchases(api, model)
        self._downloads = Downloads(api, pace, most_bytes)
        self._watches: defaultdict[str, set[Watch]] = defaultdict(set)

    async def submit(self, order: Order) -> str:
        """Create the prediction of the order, unless it exists; before each attempt it is searched for."""
        request = self._model.request(order)
        give_up_at = time.monotonic() + self._pace.give_up_after
        backoffs = self._pace.backoffs()
        no_response: NoResponse | None = None
        while (found := await self._find(order, give_up_at, no_response)) is None:
            if no_response is not None and time.monotonic() >= give_up_at:
                raise _unavailable() from no_response
            try:
                created = await self._api.create(request, key=order.key, lifetime_seconds=self._lifetime_seconds)
            except NoResponse as error:
                raise_if_cancelled(error)
                no_response = error
                log.info("no response to a creation: %s", error, extra={"action": "replicate.no_response"})
                wait = max(next(backoffs), error.wait_seconds)
                await asyncio.sleep(max(0.0, min(wait, give_up_at - time.monotonic())))
            else:
                return created.id
        log.info("the prediction exists", extra={"action": "replicate.found", "prediction": found})
        return found

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered, None]:
        """Poll the prediction until it is finished, then download its clip and make poster and preview."""
        with self._watched(provider_id) as watch:
            furthest: float | None = None
            while not (prediction := await watch.until(self._poll(provider_id))).finished:
                furthest = _larger(furthest, logs.fraction(prediction.logs))
                yield Progress(furthest)
                await watch.pause(self._pace.poll)
            clip = await watch.until(self._downloads.fetch(clip_url(prediction), order.workdir))
            async with aclosing(illustrated(clip, order.workdir)) as steps:
                while isinstance(step := await watch.until(anext(steps)), Progress):
                    yield step
        yield step

    async def cancel(self, provider_id: str) -> None:
        """Cancel the prediction, and end the follows of it in this process."""
        self._end(provider_id, Failure("CANCELED", "The prediction was canceled.", retryable=False))
        try:
            await retry_until_available(
                self._pace, lambda: self._api.cancel(provider_id), give_up_after=CANCEL_TIMEOUT_SECONDS
            )
        except Failure as failure:
            # Unknown or finished.
            log.info("not canceled: %s", failure, extra={"action": "replicate.cancel", "prediction": provider_id})
        except NoResponse as error:
            raise _unavailable() from error

    async def close(self) -> None:
        """End all follows and close the connections. Predictions continue."""
        for provider_id in list(self._watches):
            self._end(provider_id, Failure("INTERRUPTED", "The provider was shut down.", retryable=True))
        await self._api.close()

    def wake(self, provider_id: str) -> None:
        """Poll a prediction now, if it is followed in this process."""
        for watch in self._watches.get(provider_id, ()):
            watch.wake()

    async def _find(self, order: Order, give_up_at: float, no_response: NoResponse | None) -> str | None:
        """Return the id of the order's prediction; one that may just have been created needs time to be listed."""
        unclear = no_response is not None and not no_response.harmless
        try:
            for pause in (*(self._pace.settling if unclear else ()), 0.0):
                left = max(0.0, give_up_at - time.monotonic())
                found = await retry_until_available(self._pace, lambda: self._purchases.find(order), give_up_after=left)
                if found is not None:
                    return found
                await asyncio.sleep(pause)
        except (NoResponse, Failure) as error:
            if unclear:
                raise _unknown() from error
            if isinstance(error, Failure):
                raise
            raise _unavailable() from error
        return None

    async def _poll(self, provider_id: str) -> Prediction:
        """Return the prediction, retrying without limit: it is paid for."""
        return await retry_until_available(self._pace, lambda: self._api.get(provider_id))

    @contextmanager
    def _watched(self, provider_id: str) -> Generator[Watch]:
        watch = Watch()
        self._watches[provider_id].add(watch)
        try:
            yield watch
        finally:
            self._watches[provider_id].discard(watch)
            if not self._watches[provider_id]:
                del self._watches[provider_id]

    def _end(self, provider_id: str, failure: Failure) -> None:
        for watch in self._watches.get(provider_id, ()):
            watch.end(failure)


def _larger(before: float | None, now: float | None) -> float | None:
    """Return the larger fraction: the logs of a model may hold several progress bars, one after the other."""
    return now if before is None else before if now is None else max(before, now)


def _unavailable() -> Failure:
    return Failure("PROVIDER_UNAVAILABLE", "Replicate does not respond.", retryable=True)


def _unknown() -> Failure:
    message = (
        "Replicate did not confirm whether it created the prediction; check there before you regenerate the scene."
    )
    return Failure("PURCHASE_UNKNOWN", message, retryable=False)
