"""Predictions that are paid for: found, followed and canceled although single responses are lost or refused.

A refusal (401, 403, 404, …) of a request about paid work may come from a proxy, from a replica that lags behind, or
from a token that is being changed. It is retried like an error of the server, for a while.
"""

import asyncio
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from providers.cancellation import raise_if_cancelled
from providers.hosted.outputs import candidates
from providers.hosted.retrying import NoResponse, Pace, Refused, retry_until_available
from providers.port import EarlierOrder, Failure, Order
from providers.replicate.api import Api
from providers.replicate.model import Model
from providers.replicate.prediction import Prediction, Status
from providers.replicate.purchases import Purchases

log = logging.getLogger(__name__)

# Shorter than `give_up_after`: a client waits for the response to a cancel.
CANCEL_TIMEOUT_SECONDS = 60.0
# How long, of the time for refusals, an earlier prediction is asked for that Replicate may have deleted.
EARLIER_SHARE = 0.1
# Of the lifetime of a prediction; one that runs for longer than that is late.
LATE_SHARE = 0.75


class Predictions:
    """The predictions of this account, with retries."""

    def __init__(self, api: Api, pace: Pace, purchases: Purchases, *, lifetime_seconds: float) -> None:
        self._api = api
        self._pace = pace
        self._purchases = purchases
        self._late = timedelta(seconds=lifetime_seconds * LATE_SHARE)

    async def find(self, order: Order, model: Model, give_up_at: float, no_response: NoResponse | None) -> str | None:
        """Return the id of the order's prediction; one that may just have been created needs time to be listed.

        So may one of a worker that was killed, which is what a first search looks for. Raises Failure
        (PURCHASE_UNKNOWN) when a creation got no response and the search failed.
        """
        unclear = no_response is not None and not no_response.harmless
        settling = self._pace.settling if unclear or (no_response is None and not order.fresh) else ()
        # A first search without success, before anything was bought, reports a wrong token at once.
        refusals = self._pace.refusals if unclear or order.started_at is not None else 0.0
        try:
            for pause in (*settling, 0.0):
                left = max(0.0, give_up_at - time.monotonic())
                found = await retry_until_available(
                    self._pace, lambda: self._purchases.find(order, model), give_up_after=left, refusals=refusals
                )
                if found is not None:
                    return found
                await asyncio.sleep(pause)
        except NoResponse as error:
            raise (_unknown() if unclear else unavailable(unsettled=not order.fresh)) from error
        except Refused as refusal:
            if unclear:
                raise _unknown() from refusal
            raise Failure(refusal.code, refusal.message, retryable=False, unsettled=not order.fresh) from refusal
        return None

    async def of_earlier(self, order: Order, model: Model, give_up_at: float) -> str | None:
        """Return the prediction of an earlier order that has come to a clip of this order, or still may.

        Raises Failure (PROVIDER_UNAVAILABLE) when that cannot be found out.
        """
        for earlier in order.unsettled:
            left = max(0.0, give_up_at - time.monotonic())
            try:
                found = await self._usable(earlier, order, model, left)
            except NoResponse as error:
                raise unavailable() from error
            if found is not None:
                return found
        return None

    async def poll(self, provider_id: str) -> Prediction:
        """Return the prediction, retrying without limit while there is no response: it is paid for.

        When it is refused for too long, the prediction is canceled. Raises the refusal, unless it turns out that the
        prediction has succeeded.
        """
        try:
            return await retry_until_available(
                self._pace, lambda: self._api.get(provider_id), refusals=self._pace.refusals
            )
        except Refused as refusal:
            return await self._give_up(provider_id, refusal)

    async def cancel(self, provider_id: str) -> Prediction | None:
        """Cancel a prediction; return its last state if it is known. One that is finished or unknown is ignored.

        Raises Refused or NoResponse after a while.
        """
        return await retry_until_available(
            self._pace,
            lambda: self._cancel(provider_id),
            give_up_after=CANCEL_TIMEOUT_SECONDS,
            refusals=min(self._pace.refusals, CANCEL_TIMEOUT_SECONDS),
        )

    async def _cancel(self, provider_id: str) -> Prediction | None:
        try:
            return await self._api.cancel(provider_id)
        except (Refused, NoResponse) as error:
            raise_if_cancelled(error)
            # It may be finished, or canceled although the response does not say so.
            try:
                prediction = await self._api.get(provider_id)
            except Refused as second:
                if isinstance(error, Refused) and second.code == error.code == "NOT_FOUND":
                    return None
                raise
            if not prediction.finished:
                raise
            return prediction

    async def _give_up(self, provider_id: str, refusal: Refused) -> Prediction:
        try:
            prediction = await self.cancel(provider_id)
        except (Refused, NoResponse) as error:
            outcome = f"It could not be canceled ({error}): look for it at Replicate."
        else:
            if prediction is not None and prediction.status == Status.SUCCEEDED:
                return prediction
            outcome = "It was canceled." if prediction is not None else "Replicate does not know it any more."
        log.error(
            "gave up prediction %s: %s %s",
            *(provider_id, refusal, outcome),
            extra={"action": "replicate.given_up", "prediction": provider_id},
        )
        message = (
            f"Replicate refused for {self._pace.refusals:g} seconds to return the prediction {provider_id}. {outcome} "
            f"The last reason: {refusal.message}"
        )
        raise Failure(refusal.code, message, retryable=False, unsettled=True) from refusal

    async def _usable(self, earlier: EarlierOrder, order: Order, model: Model, left: float) -> str | None:
        """Return the prediction of the earlier order if its clip can be used. Raises NoResponse."""
        former = replace(order, key=earlier.key, number=earlier.number, started_at=earlier.started_at, unsettled=())
        refusals = self._pace.refusals * EARLIER_SHARE
        name = earlier.provider_id or await retry_until_available(
            self._pace, lambda: self._purchases.find(former, model), give_up_after=left, refusals=refusals
        )
        if name is None:
            return None
        try:
            prediction = await retry_until_available(
                self._pace, lambda: self._api.get(name), give_up_after=left, refusals=refusals
            )
        except Refused as refusal:
            if refusal.code == "NOT_FOUND":
                return None
            raise
        usable = self._has_or_gets_a_clip(prediction) and model.fits(prediction, former)
        if usable:
            log.info("an earlier prediction is used", extra={"action": "replicate.reused", "prediction": name})
        return name if usable else None

    def _has_or_gets_a_clip(self, prediction: Prediction) -> bool:
        """Return whether the prediction has succeeded, or runs and has time left.

        One that runs late is being canceled: by Replicate at its deadline, or because its take has timed out.
        """
        if prediction.finished:
            return prediction.status == Status.SUCCEEDED and bool(candidates(prediction.output))
        return prediction.created_at is not None and datetime.now(UTC) - prediction.created_at < self._late


def unavailable(*, unsettled: bool = False) -> Failure:
    """Return the failure of an order because Replicate does not respond; this process has bought nothing for it."""
    return Failure("PROVIDER_UNAVAILABLE", "Replicate does not respond.", retryable=True, unsettled=unsettled)


def _unknown() -> Failure:
    message = (
        "Replicate did not confirm whether it created the prediction; a regenerate looks for it before it creates "
        "another."
    )
    return Failure("PURCHASE_UNKNOWN", message, retryable=False, unsettled=True)
