"""The provider: creates a prediction, polls it, and downloads its output."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence

from providers import catalogue
from providers.cancellation import raise_if_cancelled
from providers.checks import answered
from providers.hosted.downloads import Downloads
from providers.hosted.files import addresses
from providers.hosted.follows import Follows
from providers.hosted.logs import Bars
from providers.hosted.retrying import NoResponse, Pace, Refused, retry_until_available
from providers.port import Asset, Failure, Order, Progress, Rendered
from providers.replicate.api import Api
from providers.replicate.made import made
from providers.replicate.model import Model
from providers.replicate.models import Models
from providers.replicate.prediction import clips_of
from providers.replicate.predictions import Predictions, unavailable
from providers.replicate.purchases import Purchases

log = logging.getLogger(__name__)


class ReplicateProvider:
    """Makes clips by a model. Replicate cancels a prediction that takes longer than `lifetime_seconds`.

    No order is paid for twice: its prediction is searched for before it is created, and again when the creation got no
    response. When the search fails as well, the order fails, not retryably: only a person may decide to create another.
    """

    name = "replicate"

    def __init__(self, api: Api, models: Models, pace: Pace, *, lifetime_seconds: float, most_bytes: int) -> None:
        self._api = api
        self._models = models
        self._pace = pace
        self._lifetime_seconds = lifetime_seconds
        self._purchases = Purchases(api, models.places)
        self._downloads = Downloads(api.http, pace, most_bytes)
        self._predictions = Predictions(api, pace, self._purchases, lifetime_seconds=lifetime_seconds)
        self._follows = Follows()

    async def models(self) -> Sequence[catalogue.Model]:
        """Return the configured models; the schemas of those without a template are read in the background."""
        return self._models.described()

    async def submit(self, order: Order) -> str:
        """Create the prediction of the order, unless there is one, of this order or of an earlier one that fits."""
        try:
            return await self._submitted(order)
        except Failure as failure:
            if order.fresh or failure.unsettled:
                raise
            # Such as while the model cannot be read: a dead process may have bought the prediction.
            raise Failure(
                failure.code, failure.message, retryable=failure.retryable, retries=failure.retries, unsettled=True
            ) from failure

    async def _submitted(self, order: Order) -> str:
        model = await self._models.of(order)
        request: Mapping[str, object] | None = None
        give_up_at = time.monotonic() + self._pace.give_up_after
        backoffs = self._pace.backoffs()
        no_response: NoResponse | None = None
        while (found := await self._existing(order, model, give_up_at, no_response)) is None:
            may_exist = not order.fresh or (no_response is not None and not no_response.harmless)
            if no_response is not None and time.monotonic() >= give_up_at:
                raise unavailable(unsettled=may_exist) from no_response
            request = request or await self._request(model, order, unsettled=may_exist)
            try:
                created = await self._api.create(request, key=order.key, lifetime_seconds=self._lifetime_seconds)
            except NoResponse as error:
                raise_if_cancelled(error)
                # That a later attempt had no effect says nothing about an earlier one.
                no_response = error if no_response is None or no_response.harmless else no_response
                log.info("no response to a creation: %s", error, extra={"action": "replicate.no_response"})
                wait = max(next(backoffs), error.wait_seconds)
                await asyncio.sleep(max(0.0, min(wait, give_up_at - time.monotonic())))
            except Refused as refusal:
                raise Failure(refusal.code, refusal.message, retryable=False, unsettled=may_exist) from refusal
            else:
                self._purchases.note(created.id, order)
                return created.id
        log.info("the prediction exists", extra={"action": "replicate.found", "prediction": found})
        return found

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered, None]:
        """Poll the prediction until it is finished, then download its clip."""
        # After a restart, the search for another order must not take it.
        self._purchases.note(provider_id, order)
        with self._follows.watched(provider_id) as watch:
            bars = Bars()
            while not (prediction := await watch.until(self._predictions.poll(provider_id))).finished:
                yield Progress(bars.update(prediction.logs))
                await watch.pause(self._pace.poll)
            clip = await watch.until(self._downloads.fetch(clips_of(prediction), order.workdir))
        yield Rendered(
            Asset(clip.path, clip.content_type), made=made(order, prediction, await self._models.soon(order))
        )

    async def check(self) -> str:
        """Return the account that the token is of. Raises Failure."""
        return f"the token is of the account {await answered('Replicate', self._api.account)}"

    async def cancel(self, provider_id: str) -> None:
        """Cancel the prediction, and end the follows of it in this process."""
        self._follows.cancel(provider_id, "The prediction was canceled.")
        try:
            await self._predictions.cancel(provider_id)
        except Refused as refusal:
            log.warning("not canceled: %s", refusal, extra={"action": "replicate.cancel", "prediction": provider_id})
        except NoResponse as error:
            raise unavailable() from error

    async def close(self) -> None:
        """End all follows and close the connections. Predictions continue."""
        self._follows.close()
        await self._models.close()
        await self._api.close()

    def wake(self, provider_id: str) -> None:
        """Poll a prediction now, if it is followed in this process."""
        self._follows.wake(provider_id)

    async def _existing(
        self, order: Order, model: Model, give_up_at: float, no_response: NoResponse | None
    ) -> str | None:
        """Return the id of a prediction that the order need not create."""
        if no_response is not None:
            return await self._predictions.find(order, model, give_up_at, no_response)
        # Nothing can exist of an order that was never submitted.
        own = None if order.fresh else await self._predictions.find(order, model, give_up_at, None)
        return own or await self._predictions.of_earlier(order, model, give_up_at)

    async def _request(self, model: Model, order: Order, *, unsettled: bool) -> Mapping[str, object]:
        """Return the creation request, with addresses of the order's files. Raises Failure; nothing is bought yet."""
        model.shape.check(order)
        try:
            files = await retry_until_available(
                self._pace,
                lambda: addresses(order, self._api.upload),
                give_up_after=self._pace.give_up_after if order.inputs else 0.0,
            )
        except NoResponse as error:
            raise unavailable(unsettled=unsettled) from error
        except Refused as refusal:
            raise Failure(refusal.code, refusal.message, retryable=False, unsettled=unsettled) from refusal
        return model.request(order, files)
