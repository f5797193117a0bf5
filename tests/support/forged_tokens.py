"""Tokens encoded by hand, as no library would make them."""

import base64
import hmac
import json
from typing import Any

from tests.support.client import Json
from tests.support.tokens import SECRET

OTHER_SECRET = "another secret, just as long as the first one is"


def base64url(data: bytes) -> str:
    """Encode without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value: object) -> str:
    """Encode a header or claims."""
    return base64url(json.dumps(value).encode())


def unsigned(header: Json, claims: object, signature: str = "") -> str:
    """Make a token with this text in place of a signature."""
    return f"{part(header)}.{part(claims)}.{signature}"


def signed(claims: object, alg: str = "HS256", secret: str | bytes = SECRET, **header: Any) -> str:
    """Make a token with a correct HMAC, whatever its header and claims are."""
    encoded = f"{part({'alg': alg, **header})}.{part(claims)}"
    key = secret if isinstance(secret, bytes) else secret.encode()
    return f"{encoded}.{base64url(hmac.new(key, encoded.encode(), 'sha256').digest())}"
