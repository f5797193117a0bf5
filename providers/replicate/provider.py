"""The provider: buys a prediction, watches it, fetches what it made."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager

from providers.port import Failure, Order, Progress, Rendered
from providers.replicate import logs
from providers.replicate.api import Api
from providers.replicate.downloads import Downloads
from providers.replicate.model import Model
from providers.replicate.posters import illustrated
from providers.replicate.prediction import Prediction, clip_address
from providers.replicate.purchases import Purchases
from providers.replicate.retrying import Pace, Unanswered, retry_until_available
from providers.replicate.watch import Watch

log = logging.getLogger(__name__)

# Beside the clip's own making: somebody waits for the answer to a cancel.
CANCEL_PATIENCE_SECONDS = 60.0


class ReplicateProvider:
    """Has clips made by a model. A prediction that lives longer than `life_seconds` is ended by Replicate itself.

    Nothing is bought twice: an order is looked for before it is bought, and looked for again when it is not known
    whether it was. What cannot be known fails in a way that only a person may repeat.
    """

    name = "replicate"

    def __init__(self, api: Api, model: Model, pace: Pace, *, life_seconds: float, most_bytes: int) -> None:
        self._api = api
        self._model = model
        self._pace = pace
        self._life_seconds = life_seconds
        self._purchases = Purchases(api, model)
        self._downloads = Downloads(api, pace, most_bytes)
        self._watches: defaultdict[str, set[Watch]] = defaultdict(set)

    async def submit(self, order: Order) -> str:
        """Buy the order, unless that was done already; before each try it is looked for."""
        request = self._model.request(order)
        give_up_at = time.monotonic() + self._pace.patience
        backoffs = self._pace.backoffs()
        lost: Unanswered | None = None
        while (found := await self._found(order, give_up_at, lost)) is None:
            if lost is not None and time.monotonic() >= give_up_at:
                raise _unavailable() from lost
            try:
                created = await self._api.create(request, key=order.key, life_seconds=self._life_seconds)
            except Unanswered as unanswered:
                lost = unanswered
                log.info("no answer to a purchase: %s", lost, extra={"action": "replicate.unanswered"})
                wait = max(next(backoffs), lost.wait_seconds)
                await asyncio.sleep(max(0.0, min(wait, give_up_at - time.monotonic())))
            else:
                return created.id
        log.info("bought before", extra={"action": "replicate.found", "prediction": found})
        return found

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered, None]:
        """Look at the prediction until it is over, then fetch its clip and illustrate it."""
        with self._watched(provider_id) as watch:
            furthest: float | None = None
            while not (prediction := await watch.until(self._look(provider_id))).over:
                furthest = _further(furthest, logs.fraction(prediction.logs))
                yield Progress(furthest)
                await watch.pause(self._pace.poll)
            clip = await watch.until(self._downloads.fetch(clip_address(prediction), order.workdir))
            async with aclosing(illustrated(clip, order.workdir)) as steps:
                while isinstance(step := await watch.until(anext(steps)), Progress):
                    yield step
        yield step

    async def cancel(self, provider_id: str) -> None:
        """Stop the prediction and whoever follows it here."""
        self._end(provider_id, Failure("CANCELED", "The prediction was canceled.", retryable=False))
        try:
            await retry_until_available(
                self._pace, lambda: self._api.cancel(provider_id), patience=CANCEL_PATIENCE_SECONDS
            )
        except Failure as refused:
            # Unknown or over: there is nothing to stop.
            log.info("not canceled: %s", refused, extra={"action": "replicate.cancel", "prediction": provider_id})
        except Unanswered as lost:
            raise _unavailable() from lost

    async def close(self) -> None:
        """Stop following, and hang up. Predictions go on."""
        for provider_id in list(self._watches):
            self._end(provider_id, Failure("INTERRUPTED", "The provider was shut down.", retryable=True))
        await self._api.close()

    def wake(self, provider_id: str) -> None:
        """Something happened to a prediction: whoever follows it here looks at once."""
        for watch in self._watches.get(provider_id, ()):
            watch.wake()

    async def _found(self, order: Order, give_up_at: float, lost: Unanswered | None) -> str | None:
        """The order's prediction; one that may just have been bought is given the time to come into the list."""
        unclear = lost is not None and not lost.harmless
        try:
            for pause in (*(self._pace.settling if unclear else ()), 0.0):
                patience = max(0.0, give_up_at - time.monotonic())
                found = await retry_until_available(self._pace, lambda: self._purchases.find(order), patience=patience)
                if found is not None:
                    return found
                await asyncio.sleep(pause)
        except (Unanswered, Failure) as error:
            if unclear:
                raise _unknown() from error
            if isinstance(error, Failure):
                raise
            raise _unavailable() from error
        return None

    async def _look(self, provider_id: str) -> Prediction:
        """The prediction, whatever it takes: to give up is to throw away what was paid for."""
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

    def _end(self, provider_id: str, why: Failure) -> None:
        for watch in self._watches.get(provider_id, ()):
            watch.end(why)


def _further(before: float | None, now: float | None) -> float | None:
    """A model with several bars begins anew with each; how far it is does not."""
    return now if before is None else before if now is None else max(before, now)


def _unavailable() -> Failure:
    return Failure("PROVIDER_UNAVAILABLE", "Replicate does not answer.", retryable=True)


def _unknown() -> Failure:
    message = "Replicate did not say whether it took the order; look there before you regenerate the scene."
    return Failure("PURCHASE_UNKNOWN", message, retryable=False)
