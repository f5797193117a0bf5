"""The published keys of a token issuer, by address (RFC 7517): fetched without blocking, kept, renewed with care."""

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

from models.domain.errors import Unavailable
from server.transports.payloads import InvalidJSON, decode

log = logging.getLogger(__name__)

# A token names a key we do not know: perhaps it is new. So often we look, however many such tokens come.
AGAIN_SECONDS = 5.0
# A key that its issuer took back is not believed for longer than this, as long as the issuer answers.
FRESH_SECONDS = 300.0
FETCH_SECONDS = 5.0
DOCUMENT_BYTES = 262_144
KEYS = 100

_KINDS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_ALGORITHMS = {"RSA": {"RS256"}, "P-256": {"ES256"}, "Ed25519": {"EdDSA", "Ed25519"}}
PUBLIC_ALGORITHMS = frozenset(name for names in _ALGORITHMS.values() for name in names)


class Jwks:
    """The keys at one address. While it is away, the keys that were read last are believed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: list[Key] | None = None
        self._asked_at = -math.inf
        self._renewing: asyncio.Task[None] | None = None

    async def key(self, kid: str | None, algorithm: str) -> Key | None:
        """The key of this id for an algorithm, or the only one when the token names none; None when there is none.

        Raises Unavailable when no keys could be read so far.
        """
        found = self._find(kid, algorithm)
        if found is not None:
            if self._age() > FRESH_SECONDS:
                self._renewal()
            return found
        # Whoever comes meanwhile waits for the same answer, and whoever leaves takes it from nobody.
        await asyncio.shield(self._renewal())
        if self._keys is None:
            raise Unavailable("UNAVAILABLE", "The keys that tokens are checked with cannot be read just now.")
        return self._find(kid, algorithm)

    async def close(self) -> None:
        """Leave nothing running."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])

    def _find(self, kid: str | None, algorithm: str) -> Key | None:
        fitting = [key for key in self._keys or () if algorithm in _algorithms(key) and kid in (None, key.kid)]
        return fitting[0] if fitting and (kid is not None or len(fitting) == 1) else None

    def _age(self) -> float:
        return time.monotonic() - self._asked_at

    def _renewal(self) -> asyncio.Task[None]:
        """Reading the keys: what is under way, what was done a moment ago, or a new attempt."""
        if self._renewing is None or (self._renewing.done() and self._age() > AGAIN_SECONDS):
            self._asked_at = time.monotonic()
            self._renewing = asyncio.create_task(self._renew(), name="keys of tokens")
        return self._renewing

    async def _renew(self) -> None:
        try:
            self._keys = _keys(await _fetch(self._url))
        except (httpx.HTTPError, InvalidJSON, ValueError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            log.warning("the keys at %s: %s", self._url, why, extra={"action": "jwks.away"})


async def _fetch(url: str) -> bytes:
    """The document, which is small. Raises ValueError when it is not."""
    async with (
        asyncio.timeout(FETCH_SECONDS),
        httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False) as client,
        client.stream("GET", url, headers={"accept": "application/json"}) as answer,
    ):
        if not answer.is_success:
            raise ValueError(f"status {answer.status_code}")
        document = bytearray()
        async for piece in answer.aiter_bytes():
            document += piece
            if len(document) > DOCUMENT_BYTES:
                raise ValueError("too large")
    return bytes(document)


def _keys(document: bytes) -> list[Key]:
    """The keys we can use; others are passed over (RFC 7517, section 5). Raises ValueError when it is no set."""
    read = decode(document)
    listed = cast("dict[str, object]", read).get("keys") if isinstance(read, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a set of keys")
    keys = [
        _key(cast("dict[str, Any]", each)) for each in cast("list[object]", listed)[:KEYS] if isinstance(each, dict)
    ]
    return [key for key in keys if key is not None and _algorithms(key)]


def _key(told: dict[str, Any]) -> Key | None:
    kind = _KINDS.get(str(told.get("kty")))
    # Only what is public and for signatures: somebody's secret, published by mistake, is known to everybody.
    if kind is None or "d" in told or told.get("use", "sig") != "sig":
        return None
    try:
        # A key that joserfc warns of as too short is none.
        with warnings.catch_warnings(action="error", category=SecurityWarning):
            return kind.import_key(told)
    except (JoseError, SecurityWarning, ValueError, TypeError, LookupError):
        return None


def _algorithms(key: Key) -> set[str]:
    """What a key is for: by its kind, and by what it says of itself."""
    kind = key.key_type if isinstance(key, RSAKey) else str(key.get("crv"))
    said = key.alg
    able = _ALGORITHMS.get(kind, set[str]())
    return able if said is None or said in able else set()
