"""Bearer tokens: JSON Web Tokens (RFC 7519), verified.

The algorithm alone decides which key may verify a signature: HS256 the shared secret, every other one the issuer's
published keys. So a public key is never used as a secret, and `none` is never an algorithm (RFC 8725, sections 2.1
and 3.1).
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from joserfc import jws, jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry

from server.auth.claims import ClaimChecks, valid_from
from server.auth.identity import Identity, Unauthenticated, identity_of
from server.auth.jwks import PUBLIC_ALGORITHMS, Jwks
from server.auth.minting import SECRET_ALGORITHM, secret_of
from server.settings import Settings

TOKEN_CHARACTERS = 8_192
# Tokens whose verification is kept, at most 8 MB of text.
VERIFIED_TOKENS = 1_000

# What joserfc and the standard library raise for a malformed token.
_MALFORMED = (JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError)
_NOT_ACCEPTED = "The token is not accepted."


class _Algorithms(JWSRegistry):
    """Accepts exactly these algorithms. joserfc would warn for each EdDSA token that it has a new name (RFC 9864)."""

    def __init__(self, allowed: frozenset[str]) -> None:
        super().__init__(algorithms=allowed, strict_check_header=False)
        self._allowed = allowed

    def get_alg(self, name: str):
        """Return the algorithm of this name. Raises UnsupportedAlgorithmError."""
        if name not in self._allowed:
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


class _Verified(NamedTuple):
    """What was verified of a token; it stays true while the same key is in use."""

    header: Mapping[str, Any]
    key: Key
    identity: Identity
    starts_at: float
    ends_at: float

    def is_valid_now(self) -> bool:
        """Whether the time is within the span of its claims."""
        return self.starts_at <= time.time() < self.ends_at


class Tokens:
    """Verifies tokens with the keys that the settings name.

    A client sends the same token with every request. The signature of a verified one is not computed again while it is
    valid and its key is the one that was used; keys that were fetched again are others.
    """

    def __init__(self, settings: Settings, jwks: Jwks | None) -> None:
        self._secret = secret_of(settings)
        self._jwks = jwks
        self._claims = ClaimChecks(settings.auth_issuer, settings.auth_audience)
        self._roles_claim = settings.auth_roles_claim
        secret_algorithms = {SECRET_ALGORITHM} if self._secret is not None else set[str]()
        public_algorithms = PUBLIC_ALGORITHMS if jwks is not None else set[str]()
        self._algorithms = _Algorithms(frozenset(secret_algorithms | public_algorithms))
        self._verified: OrderedDict[str, _Verified] = OrderedDict()

    async def check(self, token: str) -> Identity:
        """Return the identity of the token. Raises Unauthenticated, and Unavailable when the keys cannot be read."""
        known = self._verified.get(token)
        if known is not None and known.is_valid_now() and await self._key(known.header) is known.key:
            return known.identity
        verified = await self._verify(token)
        self._verified[token] = verified
        self._verified.move_to_end(token)
        if len(self._verified) > VERIFIED_TOKENS:
            self._verified.popitem(last=False)
        return verified.identity

    def verified(self, token: str) -> Identity | None:
        """Return the identity of a token that `check` would return without waiting; None leaves it to `check`."""
        known = self._verified.get(token)
        if known is None or not known.is_valid_now() or self._current_key(known.header) is not known.key:
            return None
        return known.identity

    def _current_key(self, header: Mapping[str, Any]) -> Key | None:
        """Return the key of a verified header, unless the published keys have to be fetched first."""
        if header["alg"] == SECRET_ALGORITHM:
            return self._secret
        kid = header.get("kid")
        return (
            None if self._jwks is None else self._jwks.current_key(kid if isinstance(kid, str) else None, header["alg"])
        )

    async def _verify(self, token: str) -> _Verified:
        if len(token) > TOKEN_CHARACTERS:
            raise Unauthenticated("The token is too long.")
        try:
            header = jws.extract_compact(token.encode("ascii"), registry=self._algorithms).headers()
            key = await self._key(header)
            claims = jwt.decode(token, key, registry=self._algorithms).claims
        except _MALFORMED as error:
            raise Unauthenticated(_NOT_ACCEPTED) from error
        self._claims.check(claims)
        identity = identity_of(claims, self._roles_claim)
        return _Verified(header, key, identity, valid_from(claims), identity.expires_at or 0.0)

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
