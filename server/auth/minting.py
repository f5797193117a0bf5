"""Tokens signed with the shared secret; apart from their verification, which imports an HTTP client."""

import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey

from server.settings import Settings

SECRET_ALGORITHM = "HS256"  # noqa: S105 # its name


def secret_of(settings: Settings) -> OctKey | None:
    """Return the key of HS256 tokens; None when none is configured."""
    secret = settings.auth_secret.get_secret_value()
    return OctKey.import_key(secret) if secret else None


def mint(settings: Settings, key: OctKey, subject: str, name: str, roles: list[str], ttl_seconds: float) -> str:
    """Return a new token, signed with the shared secret, that expires after `ttl_seconds`."""
    # To the millisecond: a token issued in the same second as a revocation, but after it, is valid.
    now = round(time.time(), 3)
    claims: dict[str, Any] = {"sub": subject, "name": name, "iat": now, "exp": now + ttl_seconds}
    claims[settings.auth_roles_claim] = roles
    claims |= {"iss": settings.auth_issuer} if settings.auth_issuer else {}
    claims |= {"aud": settings.auth_audience} if settings.auth_audience else {}
    return jwt.encode({"alg": SECRET_ALGORITHM}, claims, key, algorithms=[SECRET_ALGORITHM])
