"""URLs of media files: plain in development, signed and valid for a few minutes in production."""

import hashlib
import hmac
import math
import time
from collections.abc import Hashable, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta

from starlette.datastructures import QueryParams

from schema.context import Link
from server.keys import derived
from server.settings import Settings
from server.uploads.addresses import UploadAddresses

MEDIA_PATH = "/media/"
EXPIRES, SIGNATURE = "expires", "signature"
# Expiry times are rounded to this fraction of the lifetime, so that repeated reads return a URL that browsers cached.
STEPS_PER_LIFETIME = 10


class SignedUrls:
    """Makes the URLs of media files and verifies their signatures."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._address = settings.address
        self._key = derived(settings, "media") if settings.production else None
        self.uploads = UploadAddresses(derived(settings, "uploads"))

    def under(self, public_path: str) -> "SignedUrls":
        """Return URLs for clients that reach the server under this path; the path of PUBLIC_URL, if any, is kept."""
        if not public_path or self._settings.public_path:
            return self
        urls = copy(self)
        urls._address = self._address + public_path
        return urls

    def __call__(self, key: str, frame: int | None = None) -> Link:
        """Return the URL of the file with this key; `frame`, the number of a live frame, makes it unique for caches."""
        expires = self._expires()
        query = [] if frame is None else [f"frame={frame}"]
        if self._key is not None:
            query += [f"{EXPIRES}={expires}", f"{SIGNATURE}={self._signature(key, str(expires))}"]
        url = f"{self._address}{MEDIA_PATH}{key}" + ("?" + "&".join(query) if query else "")
        return Link(url, None if self._key is None else datetime.fromtimestamp(expires, UTC))

    def upload(self, upload_id: str, expires_at: datetime) -> str:
        """Return the address at which the server receives an upload: signed also in development."""
        return self._address + self.uploads.path(upload_id, expires_at)

    def from_outside(self, key: str, lifetime: timedelta) -> str | None:
        """Return a URL of a file for another service, valid for this long; None without an https address."""
        if not self._address.startswith("https://"):
            return None
        if self._key is None:
            return f"{self._address}{MEDIA_PATH}{key}"
        expires = str(math.floor(time.time() + lifetime.total_seconds()))
        return f"{self._address}{MEDIA_PATH}{key}?{EXPIRES}={expires}&{SIGNATURE}={self._signature(key, expires)}"

    @property
    def form(self) -> Hashable:
        """What URLs that are made now depend on besides the file: their address, and when they expire."""
        return (self._address, None if self._key is None else self._expires())

    def _expires(self) -> int:
        lifetime = self._settings.media_url_seconds
        step = max(1, lifetime // STEPS_PER_LIFETIME)
        return math.floor((time.time() + lifetime) / step) * step

    def seconds_left(self, key: str, query: QueryParams) -> float:
        """Return how many seconds the URL with this query stays valid, at most its lifetime; 0 for an invalid one."""
        if self._key is None:
            return math.inf
        expires, signature = _only(query.getlist(EXPIRES)), _only(query.getlist(SIGNATURE))
        # The signature is compared first, in constant time; nothing else of an unsigned URL is parsed.
        if not hmac.compare_digest(signature.encode(), self._signature(key, expires).encode()):
            return 0.0
        # A URL signed before the clock went back may name a later time.
        return max(0.0, min(int(expires) - time.time(), self._settings.media_url_seconds))

    def _signature(self, key: str, expires: str) -> str:
        message = f"{MEDIA_PATH}{key}\n{expires}".encode()
        return hmac.new(self._key or b"", message, hashlib.sha256).hexdigest()


def _only(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else ""
