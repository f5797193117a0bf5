"""Verifies that a callback is from fal: https://fal.ai/docs/documentation/model-apis/inference/webhooks."""

import asyncio
import base64
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from providers.hosted.http import Http, Service
from providers.hosted.reading import Reading
from providers.hosted.retrying import NoResponse, Pace
from providers.hosted.schema import is_object
from providers.port import Failure

TOLERANCE_SECONDS = 300
# Anybody can send a callback, so that none waits long for keys that cannot be read; fal sends it again.
KEYS_SECONDS = 30.0
_NAMES = ("request-id", "user-id", "timestamp")


class SigningKeys:
    """The keys that sign fal's callbacks, read from its JWKS (RFC 8037) and kept for an hour."""

    def __init__(self, address: str, pace: Pace) -> None:
        origin, _, self._path = address.rpartition("/")
        self._http = Http(Service("fal", origin, "", ""))
        self._keys = Reading("fal's signing keys", self._read, pace)

    async def signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether the body was signed within five minutes. Header names are in lower case."""
        values = [headers.get(f"x-fal-webhook-{name}", "") for name in _NAMES]
        timestamp = values[-1]
        if not all(values) or not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
            return False
        if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
            return False
        message = "\n".join((*values, hashlib.sha256(body).hexdigest())).encode()
        try:
            signature = bytes.fromhex(headers.get("x-fal-webhook-signature", ""))
            self._keys.start()
            async with asyncio.timeout(KEYS_SECONDS):
                keys = await self._keys.get()
            return any(_verifies(key, signature, message) for key in keys)
        except (ValueError, Failure, TimeoutError):
            return False

    async def close(self) -> None:
        """Stop to read, and close the connections."""
        await self._keys.close()
        await self._http.close()

    async def _read(self) -> Sequence[Ed25519PublicKey]:
        body = await self._http.request("GET", self._path)
        keys = body.get("keys")
        if not isinstance(keys, list):
            raise NoResponse("the response has no keys", harmless=True)
        return [key for each in cast("list[object]", keys) if (key := _key(each)) is not None]


def _key(jwk: object) -> Ed25519PublicKey | None:
    value = jwk.get("x") if is_object(jwk) else None
    try:
        raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)) if isinstance(value, str) else b""
        return Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        return None


def _verifies(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
