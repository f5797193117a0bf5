"""SignedUrls to media: plain in development; in production signed, and good for a few minutes."""

import hashlib
import hmac
import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.datastructures import QueryParams

from schema.context import Link
from server.keys import derived
from server.settings import Settings

EXPIRES, SIGNATURE = "expires", "signature"
# So many different links a lifetime: who reads a scene again and again gets a link that a browser has in its cache.
LINKS_A_LIFETIME = 10


class SignedUrls:
    """Makes links, and knows its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = derived(settings, "media") if settings.production else None

    def __call__(self, key: str, frame: int | None = None) -> Link:
        """The link to the file under a key; the number of a live frame makes its address new to caches."""
        lasting = self._settings.media_url_seconds
        step = max(1, lasting // LINKS_A_LIFETIME)
        expires = math.floor((time.time() + lasting) / step) * step
        query = [] if frame is None else [f"frame={frame}"]
        if self._key is not None:
            query += [f"{EXPIRES}={expires}", f"{SIGNATURE}={self._signature(key, str(expires))}"]
        url = f"{self._settings.address}/media/{key}" + ("?" + "&".join(query) if query else "")
        return Link(url, None if self._key is None else datetime.fromtimestamp(expires, UTC))

    def seconds_left(self, key: str, query: QueryParams) -> float:
        """How much longer the address with this query leads to the file; 0 when it does not."""
        if self._key is None:
            return math.inf
        expires, signature = _only(query.getlist(EXPIRES)), _only(query.getlist(SIGNATURE))
        # Compared first, in constant time: nothing of an address that is not ours is looked at.
        if not hmac.compare_digest(signature.encode(), self._signature(key, expires).encode()):
            return 0.0
        return max(0.0, int(expires) - time.time())

    def _signature(self, key: str, expires: str) -> str:
        said = f"/media/{key}\n{expires}".encode()
        return hmac.new(self._key or b"", said, hashlib.sha256).hexdigest()


def _only(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else ""
