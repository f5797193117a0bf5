"""What was bought lately, by whatever process: read once from Replicate's own list, kept up to date from then on."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from providers.port import Failure, Order
from providers.replicate.api import Api, stamp
from providers.replicate.model import Model
from providers.replicate.prediction import Prediction

# A prediction ends within the half hour and its files are removed within another: what is older is of no use.
LOOK_BACK = timedelta(hours=3)
# What was made shortly before the newest known one may have come into the list after it.
OVERLAP = timedelta(minutes=2)


class _Purchase(NamedTuple):
    created_at: datetime
    marks: tuple[str | None, object]


class Purchases:
    """Finds the prediction of an order that was submitted before, here or by a process that is dead."""

    def __init__(self, api: Api, model: Model) -> None:
        self._api = api
        self._model = model
        self._known: dict[str, _Purchase] = {}
        self._reading = asyncio.Lock()

    async def find(self, order: Order) -> str | None:
        """The id of the order's prediction, of the first if there should be two. Raises Failure and Unanswered."""
        async with self._reading:
            await self._read_on()
        found = [
            (known.created_at, name) for name, known in self._known.items() if self._model.bears(known.marks, order)
        ]
        return min(found)[1] if found else None

    async def _read_on(self) -> None:
        horizon = datetime.now(UTC) - LOOK_BACK
        self._known = {name: known for name, known in self._known.items() if known.created_at >= horizon}
        newest = max((known.created_at for known in self._known.values()), default=horizon + OVERLAP)
        fresh: dict[str, _Purchase] = {}
        async for prediction in self._since(newest - OVERLAP):
            if prediction.id not in self._known and prediction.created_at is not None:
                whole = await self._whole(prediction)
                fresh[prediction.id] = _Purchase(prediction.created_at, self._model.marks(whole))
        # All or nothing: the newest come first, and what was not read must not seem to be.
        self._known |= fresh

    async def _since(self, moment: datetime) -> AsyncIterator[Prediction]:
        asked: dict[str, str] | None = {"created_after": stamp(moment)}
        while asked is not None:
            page = await self._api.page(asked)
            for prediction in page.predictions:
                if prediction.created_at is not None and prediction.created_at < moment:
                    return
                yield prediction
            asked = page.next

    async def _whole(self, listed: Prediction) -> Prediction:
        """With its webhook, which the list need not tell."""
        if listed.webhook_told or not self._model.callbacks:
            return listed
        try:
            return await self._api.get(listed.id)
        except Failure:
            return listed
