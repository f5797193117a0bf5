"""The published keys of a token issuer (JSON Web Key Set, RFC 7517): fetched by URL, cached and refreshed."""

import asyncio
import logging
import math
import time
import warnings
from collections.abc import Mapping
from typing import Any, cast

import httpx
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from coordinator.tasks import Tasks
from models.domain.errors import Unavailable
from server.transports.payloads import InvalidJSON, decode

log = logging.getLogger(__name__)

# An unknown key id may be a new key. The least time between two fetches, however many such tokens arrive.
MIN_FETCH_INTERVAL_SECONDS = 5.0
# The longest time a key is used after its issuer withdrew it, while the issuer is reachable.
MAX_AGE_SECONDS = 300.0
FETCH_TIMEOUT_SECONDS = 5.0
DOCUMENT_BYTES = 262_144
KEYS = 100
# The errors of an issuer that does not answer, or answers with no key set.
UNPUBLISHED = (httpx.HTTPError, InvalidJSON, ValueError, TimeoutError)

_KINDS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_ALGORITHMS = {"RSA": {"RS256"}, "P-256": {"ES256"}, "Ed25519": {"EdDSA", "Ed25519"}}
PUBLIC_ALGORITHMS = frozenset(name for names in _ALGORITHMS.values() for name in names)


class Jwks:
    """The keys at one URL. While it is unavailable, the keys of the last fetch stay in use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: list[Key] | None = None
        self._fetched_at = -math.inf
        self._tasks = Tasks("token keys")
        self._refresh_task: asyncio.Task[None] | None = None

    async def key(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the key with this id for an algorithm, or the only key for it when `kid` is None; None without one.

        Raises Unavailable when no fetch has succeeded so far.
        """
        found = self._find(kid, algorithm)
        if found is not None:
            if self._age() > MAX_AGE_SECONDS:
                self._refresh()
            return found
        # Concurrent requests wait for the same fetch; a canceled request must not cancel it.
        await asyncio.shield(self._refresh())
        if self._keys is None:
            raise Unavailable("UNAVAILABLE", "The keys that verify tokens are unavailable.")
        return self._find(kid, algorithm)

    def current_key(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the key that `key` would return without a fetch; None when one is due."""
        return None if self._age() > MAX_AGE_SECONDS else self._find(kid, algorithm)

    async def close(self) -> None:
        """Stop a fetch that is running."""
        await self._tasks.stop()

    def _find(self, kid: str | None, algorithm: str) -> Key | None:
        usable = [key for key in self._keys or () if algorithm in _algorithms(key) and kid in (None, key.kid)]
        return usable[0] if usable and (kid is not None or len(usable) == 1) else None

    def _age(self) -> float:
        return time.monotonic() - self._fetched_at

    def _refresh(self) -> asyncio.Task[None]:
        """Return the task of the current fetch, of the last one if it is recent, or of a new one."""
        if self._refresh_task is None or (self._refresh_task.done() and self._age() > MIN_FETCH_INTERVAL_SECONDS):
            self._fetched_at = time.monotonic()
            self._refresh_task = self._tasks.start(self._fetch_keys(), "jwks refresh")
        return self._refresh_task

    async def _fetch_keys(self) -> None:
        try:
            self._keys = await published(self._url)
        except UNPUBLISHED as error:
            reason = str(error) or type(error).__name__
            log.warning("The keys at %s are unavailable: %s", self._url, reason, extra={"action": "jwks.unavailable"})


async def published(url: str) -> list[Key]:
    """Return the usable keys at a URL. Raises one of UNPUBLISHED."""
    return _keys(await _fetch(url))


async def _fetch(url: str) -> bytes:
    """Return the document at the URL. Raises ValueError when it is larger than DOCUMENT_BYTES."""
    async with (
        asyncio.timeout(FETCH_TIMEOUT_SECONDS),
        httpx.AsyncClient(timeout=FETCH_TIMEOUT_SECONDS, follow_redirects=False) as client,
        client.stream("GET", url, headers={"accept": "application/json"}) as response,
    ):
        if not response.is_success:
            raise ValueError(f"status {response.status_code}")
        document = bytearray()
        async for chunk in response.aiter_bytes():
            document += chunk
            if len(document) > DOCUMENT_BYTES:
                raise ValueError("the document is too large")
    return bytes(document)


def _keys(document: bytes) -> list[Key]:
    """Return the usable keys of a key set; others are ignored (RFC 7517, section 5). Raises ValueError for no set."""
    parsed = decode(document)
    listed = cast("dict[str, object]", parsed).get("keys") if isinstance(parsed, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the document is not a key set")
    keys = [
        _key(cast("dict[str, Any]", each)) for each in cast("list[object]", listed)[:KEYS] if isinstance(each, dict)
    ]
    return [key for key in keys if key is not None and _algorithms(key)]


def _key(jwk: dict[str, Any]) -> Key | None:
    kind = _KINDS.get(str(jwk.get("kty")))
    # Only public keys for signatures: a private key that was published by mistake may be in anyone's hands.
    if kind is None or "d" in jwk or jwk.get("use", "sig") != "sig":
        return None
    try:
        # A key that is too short, which joserfc only warns about, is not used.
        with warnings.catch_warnings(action="error", category=SecurityWarning):
            return kind.import_key(jwk)
    except (JoseError, SecurityWarning, ValueError, TypeError, LookupError):
        return None


def _algorithms(key: Key) -> set[str]:
    """Return the algorithms of a key: those of its kind, unless its own `alg` is none of them."""
    kind = key.key_type if isinstance(key, RSAKey) else str(key.get("crv"))
    supported = _ALGORITHMS.get(kind, set[str]())
    return supported if key.alg is None or key.alg in supported else set()
