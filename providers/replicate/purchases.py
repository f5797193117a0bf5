"""The recent predictions of the account, by any process: read from Replicate's list, then updated incrementally."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from providers.port import Failure, Order
from providers.replicate.api import Api, timestamp
from providers.replicate.model import Marks, Model
from providers.replicate.prediction import Prediction

# A prediction ends within half an hour and its files are deleted an hour later: older ones are useless.
LOOK_BACK = timedelta(hours=3)
# A prediction created shortly before the newest known one may be listed after it.
OVERLAP = timedelta(minutes=2)


class _Purchase(NamedTuple):
    created_at: datetime
    marks: Marks


class Purchases:
    """Finds the prediction of an order that was submitted before, by this process or a dead one."""

    def __init__(self, api: Api, model: Model) -> None:
        self._api = api
        self._model = model
        self._known: dict[str, _Purchase] = {}
        self._reading = asyncio.Lock()

    async def find(self, order: Order) -> str | None:
        """Return the id of the order's prediction, of the first one if there are two. Raises Failure or NoResponse."""
        async with self._reading:
            await self._refresh()
        found = [
            (known.created_at, name) for name, known in self._known.items() if self._model.matches(known.marks, order)
        ]
        return min(found)[1] if found else None

    async def _refresh(self) -> None:
        horizon = datetime.now(UTC) - LOOK_BACK
        self._known = {name: known for name, known in self._known.items() if known.created_at >= horizon}
        newest = max((known.created_at for known in self._known.values()), default=horizon + OVERLAP)
        fresh: dict[str, _Purchase] = {}
        async for prediction in self._since(newest - OVERLAP):
            if prediction.id not in self._known and prediction.created_at is not None:
                complete = await self._with_webhook(prediction)
                fresh[prediction.id] = _Purchase(prediction.created_at, self._model.marks(complete))
        # All or nothing: the list is newest first, and the next refresh reads only what is newer than the newest known.
        self._known |= fresh

    async def _since(self, moment: datetime) -> AsyncIterator[Prediction]:
        query: dict[str, str] | None = {"created_after": timestamp(moment)}
        while query is not None:
            page = await self._api.page(query)
            for prediction in page.predictions:
                if prediction.created_at is not None and prediction.created_at < moment:
                    return
                yield prediction
            query = page.next

    async def _with_webhook(self, listed: Prediction) -> Prediction:
        """Return the prediction with its webhook, which the list may omit."""
        if listed.has_webhook_field or not self._model.callbacks:
            return listed
        try:
            return await self._api.get(listed.id)
        except Failure:
            return listed
