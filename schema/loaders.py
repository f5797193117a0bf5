"""Loaders: one statement for many parents. They batch and never cache, so nothing they hand out is stale."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import TypeVar, cast

from strawberry.dataloader import DataLoader

from models import listing, queries, webhook_queries
from models.access import Viewer
from models.database import Connection
from models.listing import ScenesWanted
from models.outlook import Outlook, outlooks
from models.paging import Page
from models.progress import Reading
from models.rows import DeliveryRow, EventRow, JobRow, SceneRow, TakeRow, WebhookRow
from models.store import Store
from models.webhook_queries import DeliveriesWanted

K = TypeVar("K", bound=Hashable)
G = TypeVar("G", bound=Hashable)
V = TypeVar("V")

Fetch = Callable[[Connection, Sequence[K]], Awaitable[dict[K, V]]]
FetchOf = Callable[[Connection, Sequence[str], G], Awaitable[dict[str, V]]]


def _nobody_asks(_rows: Iterable[object]) -> None:
    """Most operations are over when they have shown something."""


class Loaders:
    """One loader per relation. What the viewer may not see is None, exactly like what does not exist."""

    def __init__(self, store: Store, viewer: Viewer) -> None:
        self._store = store
        # Told of the scenes and readings that were read, before they are shown.
        self.show: Callable[[Iterable[object]], None] = _nobody_asks
        self.job: DataLoader[str, JobRow | None] = self._by_id(
            lambda connection, ids: queries.jobs_by_id(connection, viewer, ids)
        )
        self.scene: DataLoader[str, SceneRow | None] = self._by_id(
            lambda connection, ids: queries.scenes_by_id(connection, viewer, ids)
        )
        self.take: DataLoader[str, TakeRow | None] = self._by_id(
            lambda connection, ids: queries.takes_by_id(connection, viewer, ids)
        )
        self.webhook: DataLoader[str, WebhookRow | None] = self._by_id(
            lambda connection, ids: webhook_queries.webhooks_by_id(connection, viewer, ids)
        )
        self.delivery: DataLoader[str, DeliveryRow | None] = self._by_id(
            lambda connection, ids: webhook_queries.deliveries_by_id(connection, viewer, ids)
        )
        self.deliveries: DataLoader[tuple[str, DeliveriesWanted], list[DeliveryRow]] = self._grouped(
            webhook_queries.deliveries_of_webhooks
        )
        self.reading: DataLoader[str, Reading | None] = self._by_id(
            lambda connection, ids: queries.readings(connection, viewer, ids)
        )
        self.queue_position: DataLoader[str, int | None] = self._by_id(queries.queue_positions)
        self.with_other_clips: DataLoader[str, bool | None] = self._by_id(queries.with_other_clips)
        self.outlook: DataLoader[str, Outlook | None] = self._by_id(outlooks)
        self.scenes: DataLoader[tuple[str, ScenesWanted], Page[SceneRow]] = self._grouped(listing.scenes_of_jobs)
        self.scenes_count: DataLoader[tuple[str, ScenesWanted], int] = self._grouped(listing.scenes_count)
        self.takes: DataLoader[tuple[str, int], list[TakeRow]] = self._grouped(queries.takes_of_scenes)
        self.events: DataLoader[tuple[str, tuple[int, int]], list[EventRow]] = self._grouped(
            lambda connection, ids, span: queries.events_of_jobs(connection, ids, *span)
        )

    def _by_id(self, fetch: Fetch[str, V]) -> DataLoader[str, V | None]:
        async def load(ids: list[str]) -> list[V | None]:
            async with self._store.read() as connection:
                found = await fetch(connection, ids)
            self.show(found.values())
            return [found.get(each) for each in ids]

        return DataLoader(load, cache=False)

    def _grouped(self, fetch: FetchOf[G, V]) -> DataLoader[tuple[str, G], V]:
        """Keys are (parent id, arguments): parents asked with the same arguments share a statement."""

        async def load(keys: list[tuple[str, G]]) -> list[V]:
            parents: defaultdict[G, list[str]] = defaultdict(list)
            for parent, arguments in keys:
                parents[arguments].append(parent)
            found: dict[tuple[str, G], V] = {}
            async with self._store.read() as connection:
                for arguments, ids in parents.items():
                    for parent, value in (await fetch(connection, ids, arguments)).items():
                        found[parent, arguments] = value
                        if isinstance(value, Page):
                            self.show(cast("Page[object]", value).items)
            return [found[key] for key in keys]

        return DataLoader(load, cache=False)
