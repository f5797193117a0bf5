"""Loaders: each reads the rows of many parents in one statement, and caches them for the current snapshot."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator, Hashable, Iterable, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, TypeVar, cast

from strawberry.dataloader import AbstractCache, DataLoader

from coordinator.tasks import ignore_error
from models.db.asset_rows import AssetRow
from models.db.database import Connection
from models.db.lease_rows import LeaseRow, WorkerRow
from models.db.rows import DeliveryRow, EventRow, JobRow, SceneRow, TakeRow, WebhookRow
from models.db.snapshot import Snapshot
from models.domain.access import Viewer
from models.domain.paging import Page
from models.domain.progress import ProgressSnapshot
from models.reads import assets, leases, listing, places, queries, tokens, waiting_for, webhook_queries
from models.reads.eta import EtaInputs, eta_inputs
from models.reads.listing import SceneQuery
from models.reads.tokens import TokenRow
from models.reads.webhook_queries import DeliveryQuery
from schema.narrow import Narrow

K = TypeVar("K", bound=Hashable)
G = TypeVar("G", bound=Hashable)
V = TypeVar("V")

Fetch = Callable[[Connection, Sequence[K]], Awaitable[dict[K, V]]]
FetchVisible = Callable[[Connection, Viewer, Sequence[str]], Awaitable[dict[str, V]]]
FetchOf = Callable[[Connection, Sequence[str], G], Awaitable[dict[str, V]]]
Observer = Callable[[Iterable[object]], None]


class _Memory(AbstractCache[Any, Any]):
    """The cache of one loader. It is valid for the current snapshot, in which a repeated read returns the same rows."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._number = snapshot.number
        self._read: dict[Any, asyncio.Future[Any]] = {}

    def get(self, key: Any) -> asyncio.Future[Any] | None:
        """Return the finished or running read of a key; None if there is none in the current snapshot."""
        if self._number != self._snapshot.number:
            self.clear()
            self._number = self._snapshot.number
        return self._read.get(key)

    def set(self, key: Any, value: asyncio.Future[Any]) -> None:
        """Store a read while an answer is made."""
        if self._snapshot.answering_now:
            self._read[key] = value

    def delete(self, key: Any) -> None:
        """Forget one read."""
        self._read.pop(key, None)

    def clear(self) -> None:
        """Forget all reads."""
        self._read.clear()


class _Loader(DataLoader[K, V]):
    """A loader whose reads end although fields that wait for them are cancelled.

    graphql-core cancels the fields beside one that fails. Those elsewhere in the answer that wait for the same key must
    not be cancelled with them: that would end the whole operation.
    """

    def load(self, key: K) -> Awaitable[V]:
        """Return the value of a key."""
        reading = asyncio.ensure_future(super().load(key))
        # When all fields that wait for it are cancelled, no task retrieves its error, which asyncio would log.
        reading.add_done_callback(ignore_error)
        return asyncio.shield(reading)


class Loaders:
    """One loader per relation. An object that the viewer may not see is None, like one that does not exist."""

    def __init__(self, snapshot: Snapshot, viewer: Viewer) -> None:
        self._snapshot = snapshot
        self._viewer = viewer
        self._observers: list[Observer] = []
        # Neither this nor the loaders refer back to this object: a cycle would have to be found by the garbage
        # collector, which costs more than the rest of a short answer.
        self.narrow = Narrow(snapshot, viewer, self._observers)

    # Made at their first use: most operations use none or one of them.

    @cached_property
    def job(self) -> DataLoader[str, JobRow | None]:
        """Jobs by id."""
        return self._visible(queries.jobs_by_id)

    @cached_property
    def scene(self) -> DataLoader[str, SceneRow | None]:
        """Scenes by id."""
        return self._visible(queries.scenes_by_id)

    @cached_property
    def take(self) -> DataLoader[str, TakeRow | None]:
        """Takes by id."""
        return self._visible(queries.takes_by_id)

    @cached_property
    def asset(self) -> DataLoader[str, AssetRow | None]:
        """Assets by id."""
        return self._visible(assets.assets_by_id)

    @cached_property
    def webhook(self) -> DataLoader[str, WebhookRow | None]:
        """Webhooks by id."""
        return self._visible(webhook_queries.webhooks_by_id)

    @cached_property
    def delivery(self) -> DataLoader[str, DeliveryRow | None]:
        """Deliveries by id."""
        return self._visible(webhook_queries.deliveries_by_id)

    @cached_property
    def worker(self) -> DataLoader[str, WorkerRow | None]:
        """Leased workers by id."""
        return self._visible(leases.workers_by_id)

    @cached_property
    def token(self) -> DataLoader[str, TokenRow | None]:
        """Access tokens by id."""
        return self._visible(tokens.tokens_by_id)

    @cached_property
    def jobs_of_token(self) -> DataLoader[str, list[str] | None]:
        """The jobs that access tokens name."""
        return self._by_id(tokens.jobs_of_tokens)

    @cached_property
    def worker_of_take(self) -> DataLoader[str, WorkerRow | None]:
        """The workers that leased takes last, by the ids of takes."""
        return self._by_id(leases.workers_of_takes)

    @cached_property
    def leases_of_worker(self) -> DataLoader[str, list[LeaseRow] | None]:
        """The leases that workers hold."""
        return self._by_id(leases.leases_of_workers)

    @cached_property
    def waiting_for(self) -> DataLoader[str, str | None]:
        """The reasons why scenes stay in the queue."""
        return self._by_id(waiting_for.waiting_for)

    @cached_property
    def deliveries(self) -> DataLoader[tuple[str, DeliveryQuery], list[DeliveryRow]]:
        """The latest deliveries of webhooks."""
        return self._grouped(webhook_queries.deliveries_of_webhooks)

    @cached_property
    def snapshot(self) -> DataLoader[str, ProgressSnapshot | None]:
        """The progress of jobs."""
        return self._visible(queries.progress_snapshots)

    @cached_property
    def queue_position(self) -> DataLoader[str, int | None]:
        """The places of scenes in the queue."""
        return self._by_id(places.of_scenes)

    @cached_property
    def with_other_clips(self) -> DataLoader[str, bool | None]:
        """Whether scenes have clips besides that of the current take."""
        return self._by_id(queries.with_other_clips)

    @cached_property
    def eta_inputs(self) -> DataLoader[str, EtaInputs | None]:
        """The inputs of the ETAs of jobs."""
        return self._by_id(eta_inputs)

    @cached_property
    def scenes(self) -> DataLoader[tuple[str, SceneQuery], Page[SceneRow]]:
        """Pages of the scenes of jobs."""
        return self._grouped(listing.scenes_of_jobs)

    @cached_property
    def scenes_count(self) -> DataLoader[tuple[str, SceneQuery], int]:
        """The numbers of scenes of jobs."""
        return self._grouped(listing.scenes_count)

    @cached_property
    def takes(self) -> DataLoader[tuple[str, int], list[TakeRow]]:
        """The latest takes of scenes."""
        return self._grouped(queries.takes_of_scenes)

    @cached_property
    def events(self) -> DataLoader[tuple[str, tuple[int, int]], list[EventRow]]:
        """Events of jobs after a version."""
        return self._grouped(lambda connection, ids, span: queries.events_of_jobs(connection, ids, *span))

    def forget(self) -> None:
        """Release what was read, and the loaders themselves: a stream waits much longer than it makes messages."""
        made = self.__dict__
        for name in _LOADERS.intersection(made):
            del made[name]
        self.narrow.forget()

    @contextmanager
    def observed_by(self, observer: Observer) -> Generator[None]:
        """Inside the block, pass all rows that are read to `observer` before they are returned.

        The resolvers of a stream's messages use the loaders of the operation, so the stream observes what they show.
        """
        self._observers.append(observer)
        try:
            yield
        finally:
            self._observers.remove(observer)

    def _loader(self, load: Callable[[list[K]], Awaitable[Sequence[V | BaseException]]]) -> DataLoader[K, V]:
        return _Loader(load, cache_map=_Memory(self._snapshot))

    def _visible(self, fetch: FetchVisible[V]) -> DataLoader[str, V | None]:
        """Return a loader of what the viewer may see."""
        viewer = self._viewer
        return self._by_id(lambda connection, ids: fetch(connection, viewer, ids))

    def _by_id(self, fetch: Fetch[str, V]) -> DataLoader[str, V | None]:
        snapshot, observers = self._snapshot, self._observers

        async def load(ids: list[str]) -> list[V | None]:
            async with snapshot.read() as connection:
                found = await fetch(connection, ids)
            for observer in observers:
                observer(found.values())
            return [found.get(each) for each in ids]

        return self._loader(load)

    def _grouped(self, fetch: FetchOf[G, V]) -> DataLoader[tuple[str, G], V]:
        """Return a loader with keys (parent id, arguments); parents with equal arguments share a statement."""
        snapshot, observers = self._snapshot, self._observers

        async def load(keys: list[tuple[str, G]]) -> list[V]:
            parents: defaultdict[G, list[str]] = defaultdict(list)
            for parent, arguments in keys:
                parents[arguments].append(parent)
            found: dict[tuple[str, G], V] = {}
            async with snapshot.read() as connection:
                for arguments, ids in parents.items():
                    for parent, value in (await fetch(connection, ids, arguments)).items():
                        found[parent, arguments] = value
                        if isinstance(value, Page):
                            for observer in observers:
                                observer(cast("Page[object]", value).items)
            return [found[key] for key in keys]

        return self._loader(load)


_LOADERS: Final = frozenset(name for name, value in vars(Loaders).items() if isinstance(value, cached_property))
