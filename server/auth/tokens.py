"""Bearer tokens: JSON Web Tokens (RFC 7519), checked and made.

Which key may check a signature follows from the algorithm alone: HS256 from the secret we share with nobody, the others
from the published keys of the issuer. So a public key is never taken for a secret, and `none` for nothing at all
(RFC 8725, sections 2.1 and 3.1).
"""

import time
from collections.abc import Mapping
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key, OctKey
from joserfc.jws import JWSRegistry

from server.auth.identity import Identity, Unauthenticated, identity_of
from server.auth.jwks import PUBLIC_ALGORITHMS, Jwks
from server.settings import Settings

SECRET_ALGORITHM = "HS256"  # noqa: S105 # its name
TOKEN_CHARACTERS = 8_192

# What a hostile token makes joserfc and the standard library raise.
_MALFORMED = (JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError)
_NOT_ACCEPTED = "The token is not accepted."


class _Algorithms(JWSRegistry):
    """Takes exactly these algorithms; of EdDSA joserfc would say with each token that it has a new name (RFC 9864)."""

    def __init__(self, allowed: frozenset[str]) -> None:
        super().__init__(algorithms=allowed, strict_check_header=False)
        self._exactly = allowed

    def get_alg(self, name: str):
        """The algorithm of this name. Raises UnsupportedAlgorithmError."""
        if name not in self._exactly:
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


class Tokens:
    """Checks tokens by the keys that the settings name."""

    def __init__(self, settings: Settings, jwks: Jwks | None) -> None:
        self._secret = secret_of(settings)
        self._jwks = jwks
        self._expected = {"iss": settings.auth_issuer, "aud": settings.auth_audience}
        secret_ones = {SECRET_ALGORITHM} if self._secret is not None else set[str]()
        public_ones = PUBLIC_ALGORITHMS if jwks is not None else set[str]()
        self._algorithms = _Algorithms(frozenset(secret_ones | public_ones))

    async def check(self, token: str) -> Identity:
        """Who the token speaks for. Raises Unauthenticated, and Unavailable when the keys cannot be had."""
        if len(token) > TOKEN_CHARACTERS:
            raise Unauthenticated("The token is too long.")
        try:
            header = jws.extract_compact(token.encode("ascii"), registry=self._algorithms).headers()
            key = await self._key(header)
            claims = jwt.decode(token, key, registry=self._algorithms).claims
        except _MALFORMED as error:
            raise Unauthenticated(_NOT_ACCEPTED) from error
        self._check_addressee(claims)
        return identity_of(claims)

    async def _key(self, header: Mapping[str, Any]) -> Key:
        algorithm = header.get("alg")
        if algorithm == SECRET_ALGORITHM and self._secret is not None:
            return self._secret
        if self._jwks is None or algorithm not in PUBLIC_ALGORITHMS:
            raise Unauthenticated(_NOT_ACCEPTED)
        kid = header.get("kid")
        key = await self._jwks.key(kid if isinstance(kid, str) else None, algorithm)
        if key is None:
            raise Unauthenticated(_NOT_ACCEPTED)
        return key

    def _check_addressee(self, claims: Mapping[str, Any]) -> None:
        """RFC 8725, sections 3.8 and 3.9: issued by whom we trust, and for us."""
        for name, expected in self._expected.items():
            said = claims.get(name)
            if expected and said != expected and not (name == "aud" and isinstance(said, list) and expected in said):
                raise Unauthenticated("The token was issued by or for somebody else.")


def secret_of(settings: Settings) -> OctKey | None:
    """The key of HS256 tokens; None when none is set."""
    secret = settings.auth_secret.get_secret_value()
    return OctKey.import_key(secret) if secret else None


def mint(settings: Settings, key: OctKey, subject: str, name: str, roles: list[str], ttl_seconds: float) -> str:
    """A token signed with our own secret, from now on for so long."""
    # To the millisecond: a token made in the second of a revocation, but after it, is valid.
    now = round(time.time(), 3)
    claims: dict[str, Any] = {"sub": subject, "name": name, "roles": roles, "iat": now, "exp": now + ttl_seconds}
    claims |= {"iss": settings.auth_issuer} if settings.auth_issuer else {}
    claims |= {"aud": settings.auth_audience} if settings.auth_audience else {}
    return jwt.encode({"alg": SECRET_ALGORITHM}, claims, key, algorithms=[SECRET_ALGORITHM])
