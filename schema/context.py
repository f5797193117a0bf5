"""The typed context of one operation: what a resolver needs besides the query.

A websocket runs many operations, each with its own context (`GetContext` in server/transports/execution.py).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from strawberry.types.info import Info as StrawberryInfo

from coordinator.coordinator import Commands, Coordinator
from coordinator.live.hub import Hub
from models.domain.access import Viewer
from models.writes.audit import AuditContext
from models.writes.store import Store
from schema.loaders import Loaders

OTHERS_SECONDS = 0.03
"""The pause between two long lists of one operation."""


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

    def __call__(self, key: str, frame: int | None = None) -> Link:
        """Return the URL of a storage key; the frame number of a live frame makes it unique, to bypass caches."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """Everything besides the query that a result depends on. Made for each operation, never shared: a context that
    outlived its operation would return stale rows from its loaders."""

    viewer: Viewer
    audit: AuditContext
    store: Store
    coordinator: Coordinator
    hub: Hub
    facts: ServerFacts
    buffered_events: int
    link: Linking
    request_id: str
    loaders: Loaders = field(init=False)
    _long_list_lock: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Make the loaders, which batch the concurrent reads of one operation."""
        object.__setattr__(self, "loaders", Loaders(self.store, self.viewer))

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

    async def yield_to_others(self) -> None:
        """Pause so that other requests of the process run between the long lists of this operation.

        The fields of 200 scenes take some 50 ms; those of 20 jobs in a row would block all other requests for 1 s.
        Another request needs several turns of the event loop, so the long lists run one at a time, with pauses.
        """
        others_waiting = self._long_list_lock.locked()
        async with self._long_list_lock:
            await asyncio.sleep(OTHERS_SECONDS if others_waiting else 0)


Info = StrawberryInfo[Context, None]
