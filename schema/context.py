"""What a resolver has at hand, made once per request or websocket and typed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from strawberry.types.info import Info as StrawberryInfo

from coordinator.coordinator import Coordinator
from coordinator.live.hub import Hub
from models.domain.access import Viewer
from models.writes.store import Store
from schema.loaders import Loaders

# Between one long list of an operation and the next.
OTHERS_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server tells about itself."""

    version: str
    mode: str
    event_retention_seconds: int
    recovery_window_seconds: int
    public_url: str
    # How many renders of a provider go on side by side, where that is known: in a single process.
    renders_at_once: Mapping[str, int]


class Link(NamedTuple):
    """The address of a file, and until when it leads there; None for always."""

    url: str
    expires_at: datetime | None


class Linking(Protocol):
    """Makes the address of a stored file."""

    def __call__(self, key: str, frame: int | None = None) -> Link:
        """The file under this key; the number of a live frame makes its address new to caches."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """Everything outside the query that an answer depends on. Nothing in it caches: a websocket's lives for hours."""

    viewer: Viewer
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
        """Make the loaders, which batch what one operation asks for at the same time."""
        object.__setattr__(self, "loaders", Loaders(self.store, self.viewer))

    def media_url(self, key: str) -> str:
        """The address of the file under this key."""
        return self.link(key).url

    def link_to(self, stored: Mapping[str, Any]) -> Link:
        """The address of what is stored of a file: ours by key, somebody else's as they gave it."""
        return Link(stored["url"], None) if "url" in stored else self.link(stored["key"])

    async def yield_to_others(self) -> None:
        """Wait until nothing else of this operation is about to complete a long list.

        The fields of two hundred scenes take some 50 ms; of twenty jobs at a stretch everybody else would wait for all.
        Another request needs several turns of the event loop, so these must not all be ours.
        """
        crowded = self._long_list_lock.locked()
        async with self._long_list_lock:
            await asyncio.sleep(OTHERS_SECONDS if crowded else 0)


Info = StrawberryInfo[Context, None]
