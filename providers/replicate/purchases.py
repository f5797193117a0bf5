"""The recent predictions of the account, by any process: read from Replicate's list, then updated incrementally."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from providers.hosted.retrying import NoResponse, Refused
from providers.port import Order
from providers.replicate.api import Api, timestamp
from providers.replicate.marks import Marks, Match, Place, marks_of
from providers.replicate.model import Model
from providers.replicate.prediction import Prediction

# A prediction ends within half an hour and its files are deleted an hour later: older ones are useless.
LOOK_BACK = timedelta(hours=3)
# A prediction created shortly before the newest known one may be listed after it.
OVERLAP = timedelta(minutes=2)
# By how much the clocks of the database and of Replicate may differ.
CLOCKS_DIFFER = timedelta(minutes=10)


class _Purchase(NamedTuple):
    created_at: datetime
    marks: Marks
    complete: bool


class Purchases:
    """Finds the prediction of an order that was submitted before, by this process or a dead one.

    What the list contains is enough to rule nearly all predictions out. The others are read one by one, and remembered.
    """

    def __init__(self, api: Api, places: Iterable[Place]) -> None:
        self._api = api
        self._places = tuple(places)
        self._known: dict[str, _Purchase] = {}
        self._orders: dict[str, tuple[str, datetime]] = {}
        self._reading = asyncio.Lock()

    def note(self, prediction_id: str, order: Order) -> None:
        """Remember that this prediction was created for, or found to be of, an order."""
        now = datetime.now(UTC)
        # The oldest come first.
        self._orders.pop(prediction_id, None)
        self._orders[prediction_id] = (order.key, now)
        while (oldest := next(iter(self._orders))) != prediction_id and self._orders[oldest][1] < now - LOOK_BACK:
            del self._orders[oldest]

    async def find(self, order: Order, model: Model) -> str | None:
        """Return the id of the order's prediction, of the first one if there are two. Raises Refused or NoResponse."""
        async with self._reading:
            await self._refresh()
            since = order.started_at - CLOCKS_DIFFER if order.started_at is not None else None
            found = await self._search(order, model, since)
        if found is not None:
            self.note(found, order)
        return found

    async def _search(self, order: Order, model: Model, since: datetime | None) -> str | None:
        alike: str | None = None
        for name, known in sorted(self._known.items(), key=lambda item: item[1].created_at):
            owner, _ = self._orders.get(name, (order.key, None))
            if owner != order.key:
                continue
            if since is not None and known.created_at < since:
                # It can only be that of the order where the clocks differ by more.
                if model.is_marked(known.marks, order):
                    return name
                continue
            match await self._match(name, known, order, model):
                case Match.YES:
                    return name
                case Match.ALIKE if since is not None:
                    alike = alike or name
                case _:
                    pass
        return alike

    async def _match(self, name: str, known: _Purchase, order: Order, model: Model) -> Match:
        match = model.match(known.marks, order, complete=known.complete)
        if match is not Match.UNCLEAR:
            return match
        try:
            marks = marks_of(await self._api.get(name), self._places)
        except Refused as refusal:
            if refusal.code != "NOT_FOUND":
                raise
            marks = known.marks
        self._known[name] = known._replace(marks=marks, complete=True)
        return model.match(marks, order, complete=True)

    async def _refresh(self) -> None:
        horizon = datetime.now(UTC) - LOOK_BACK
        self._known = {name: known for name, known in self._known.items() if known.created_at >= horizon}
        newest = max((known.created_at for known in self._known.values()), default=horizon + OVERLAP)
        fresh: dict[str, _Purchase] = {}
        # A wrong date in the future must not hide what is created until then.
        async for listed in self._since(min(newest, datetime.now(UTC)) - OVERLAP):
            if listed.id not in self._known:
                created_at = listed.created_at or datetime.now(UTC)
                fresh[listed.id] = _Purchase(created_at, marks_of(listed, self._places), complete=False)
        # All or nothing: the list is newest first, and the next refresh reads only what is newer than the newest known.
        self._known |= fresh

    async def _since(self, moment: datetime) -> AsyncIterator[Prediction]:
        query: dict[str, str] | None = {"created_after": timestamp(moment)}
        queries: list[dict[str, str]] = []
        while query is not None:
            if query in queries:
                raise NoResponse("the list does not end", harmless=True)
            queries.append(query)
            page = await self._api.page(query)
            for prediction in page.predictions:
                if prediction.created_at is not None and prediction.created_at < moment:
                    return
                yield prediction
            query = page.next
