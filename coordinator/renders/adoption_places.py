"""How many clips a process fetches at once from one host and for one owner: a slow host leaves places for others."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

from coordinator.queue.port import Snooze
from models.db.rows import SceneRow

# Of `lanes.ADOPTIONS_AT_ONCE`.
MOST_OF_HOST = 2
MOST_OF_OWNER = 3
# How long a ticket waits when its host or owner has no place; tickets of others are handed out meanwhile.
WAIT_SECONDS = 5.0


class AdoptionPlaces:
    """The hosts and owners of the clips that this process fetches."""

    def __init__(self) -> None:
        self._taken = Counter[tuple[str, str]]()

    @contextmanager
    def taken(self, scene: SceneRow) -> Generator[None]:
        """Take a place for the clip of a scene. Raises Snooze when its host or its owner has no place left."""
        host = ("host", urlsplit((scene.output or {}).get("url") or "").netloc.rpartition("@")[2].lower())
        owner = ("owner", scene.owner_id)
        # A clip that is an asset comes from no host.
        host_is_busy = bool(host[1]) and self._taken[host] >= MOST_OF_HOST
        if host_is_busy or self._taken[owner] >= MOST_OF_OWNER:
            raise Snooze(WAIT_SECONDS)
        self._taken.update((host, owner))
        try:
            yield
        finally:
            self._taken.subtract((host, owner))
            # Hosts are many in time.
            self._taken += Counter[tuple[str, str]]()
