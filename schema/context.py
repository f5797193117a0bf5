"""The typed context of one operation: what a resolver needs besides the query.

A websocket runs many operations, each with its own context (`GetContext` in server/transports/execution.py).
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from strawberry.types.info import Info as StrawberryInfo

from coordinator.all_commands import Commands
from coordinator.coordinator import Coordinator
from coordinator.live.hub import Hub
from models.db.snapshot import Snapshot
from models.domain.access import Viewer
from models.writes.audit import AuditContext
from models.writes.store import Store
from schema.loaders import Loaders

LIST_COST = 20
"""A query of at least this cost reads a list."""

LONG_LISTS = 100
"""After this number of rows in its lists, an operation gives way to the other requests of the process."""

OTHERS_SECONDS = 0.03
"""How long it does so."""


async def never_gone() -> bool:
    """Say that the client waits for the answer: of connections that end their operations themselves."""
    return False


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """Version and configuration of the server."""

    version: str
    mode: str
    event_retention_seconds: int
    recovery_window_seconds: int
    public_url: str
    renders_at_once: Mapping[str, int]
    """Concurrent renders by provider; known only in embedded mode."""


class Link(NamedTuple):
    """The URL of a file and when it expires; None when it does not."""

    url: str
    expires_at: datetime | None


class Linking(Protocol):
    """Makes the URL of a stored file."""

    @property
    def form(self) -> Hashable:
        """What URLs that are made now depend on besides the file."""
        ...

    def __call__(self, key: str, frame: int | None = None) -> Link:
        """Return the URL of a storage key; the frame number of a live frame makes it unique, to bypass caches."""
        ...

    def upload(self, upload_id: str, expires_at: datetime, /) -> str:
        """Return the address at which this server receives the bytes of an upload until then."""
        ...


@dataclass(slots=True)
class Context:
    """Everything besides the query that a result depends on. Made for each operation, never shared.

    Nothing assigns its attributes. It is not frozen, because that made each operation take 3 % longer.

    An operation reads its answer, and a stream each message, by `snapshot` or the loaders, never by the store: the
    answer must show one moment, and an operation that has a connection must not wait for a second one.
    """

    viewer: Viewer
    audit: AuditContext
    store: Store
    coordinator: Coordinator
    hub: Hub
    facts: ServerFacts
    buffered_events: int
    link: Linking
    request_id: str
    is_gone: Callable[[], Awaitable[bool]] = never_gone
    """Whether the answer is not read: the client has closed its connection, or its token is over."""
    snapshot: Snapshot = field(init=False)
    _loaders: Loaders | None = field(init=False, default=None)
    _list_lock: asyncio.Lock | None = field(init=False, default=None)
    _rows_since_pause: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Make the snapshot of the operation."""
        self.snapshot = Snapshot(self.store.database)

    @property
    def loaders(self) -> Loaders:
        """The loaders, which batch the concurrent reads of one operation; made when the first of them is used."""
        if self._loaders is None:
            self._loaders = Loaders(self.snapshot, self.viewer)
        return self._loaders

    def answering(self, cost: int) -> AbstractAsyncContextManager[None]:
        """Return the block in which the answer of a query or a mutation of this cost is made."""
        return self.snapshot.answering(self.store.database.list_turns if cost >= LIST_COST else None)

    def making_message(self) -> AbstractAsyncContextManager[None]:
        """Return the block in which a stream reads and yields a value, which resolvers then complete to a message."""
        return self.snapshot.answering(self.store.database.message_turns, self._forget)

    def _forget(self) -> None:
        """Release what was read for a message."""
        if self._loaders is not None:
            self._loaders.forget()

    async def answered(self) -> None:
        """Give the connection back: the message is complete, and sending it to a slow client may take any time."""
        await self.snapshot.close()

    @property
    def more_follow(self) -> bool:
        """Whether the stream makes its next message at once, from the same snapshot."""
        return self.snapshot.more_follow

    @property
    def refusals(self) -> Sequence[str]:
        """The codes of the mutations that were refused."""
        return self.audit.refusals

    @property
    def commands(self) -> Commands:
        """The commands of this operation; their changes write its audit entries."""
        return self.coordinator.commands(self.audit)

    def media_url(self, key: str) -> str:
        """Return the URL of a storage key."""
        return self.link(key).url

    def link_to(self, stored: Mapping[str, Any]) -> Link:
        """Return the URL of a stored file: from `link` for this server's storage, as given for an external file."""
        return Link(stored["url"], None) if "url" in stored else self.link(stored["key"])

    async def give_way(self, rows: int) -> None:
        """Pause after lists of together LONG_LISTS rows, so that other requests of the process run between them.

        The fields of 200 scenes take some 20 ms; those of 100 jobs in a row would block all other requests for 0.5 s.
        Another request needs several turns of the event loop, so the lists are completed one at a time, with pauses.
        """
        lock = self._list_lock = self._list_lock or asyncio.Lock()
        others_waiting = lock.locked()
        async with lock:
            self._rows_since_pause += rows
            if self._rows_since_pause < LONG_LISTS:
                return
            self._rows_since_pause = 0
            await self.snapshot.keep_alive()
            await asyncio.sleep(OTHERS_SECONDS if others_waiting else 0)


Info = StrawberryInfo[Context, None]
