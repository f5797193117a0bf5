"""What a resolver has at hand, made once per request or websocket and typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from strawberry.types.info import Info as StrawberryInfo

from coordinator.coordinator import Coordinator
from coordinator.hub import Hub
from models.access import Viewer
from models.store import Store
from schema.loaders import Loaders


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


@dataclass(frozen=True, slots=True)
class Context:
    """Everything outside the query that an answer depends on. Nothing in it caches: a websocket's lives for hours."""

    viewer: Viewer
    store: Store
    coordinator: Coordinator
    hub: Hub
    facts: ServerFacts
    buffered_events: int
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        """Make the loaders, which batch what one operation asks for at the same time."""
        object.__setattr__(self, "loaders", Loaders(self.store, self.viewer))

    def media_url(self, key: str) -> str:
        """The address of a stored file."""
        return f"{self.facts.public_url}/media/{key}"


Info = StrawberryInfo[Context, None]
