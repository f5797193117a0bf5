"""An issuer of tokens that publishes its keys over HTTP."""

import time
import warnings
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, Router

from tests.support.client import Json
from tests.support.forged_tokens import OTHER_SECRET, part
from tests.support.tokens import SECRET

ISSUER, AUDIENCE = "https://issuer.test", "scenewire"


def issuer_settings(jwks_url: str) -> Json:
    """Settings of a server that accepts tokens of the issuer alone."""
    return {
        "auth_jwks_url": jwks_url,
        "auth_issuer": ISSUER,
        "auth_audience": AUDIENCE,
        "auth_secret": "",
        "secret_key": SECRET,
    }


class Issuer:
    """Signs tokens, serves its key set at /jwks and counts the requests for it."""

    def __init__(self) -> None:
        self.keys = {
            "RS256": RSAKey.generate_key(2048, {"kid": "rsa"}),
            "ES256": ECKey.generate_key("P-256", {"kid": "ec"}),
            "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "ed"}),
        }
        self.weak_key = _weak_key()
        self.requests = 0
        self.unavailable = False

    def app(self) -> Router:
        """The application that serves the key set, keys that must not be used among them."""

        async def key_set(_request: Request) -> JSONResponse:
            self.requests += 1
            if self.unavailable:
                return JSONResponse({}, 503)
            secret = {"kty": "oct", "k": part(OTHER_SECRET), "kid": "secret", "alg": "HS256"}
            keys = [key.as_dict(private=False) for key in (*self.keys.values(), self.weak_key)]
            return JSONResponse({"keys": [*keys, secret, {"kty": "AKP", "kid": "new"}, 7]})

        return Router([Route("/jwks", key_set)])

    def token(self, alg: str, subject: str = "amy", kid: str | None = None, **claims: Any) -> str:
        """Sign a token that is valid for a minute, with these claims."""
        key = self.keys.get(alg) or self.weak_key
        all_claims: Json = {"sub": subject, "iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 60} | claims
        return jwt.encode({"alg": alg, "kid": kid or key.kid}, all_claims, key, registry=_SilentRegistry())


def _weak_key() -> RSAKey:
    """A key so short that joserfc warns about it."""
    with warnings.catch_warnings(action="ignore"):
        return RSAKey.generate_key(1024, {"kid": "weak"})


class _SilentRegistry(JWSRegistry):
    """joserfc would warn that EdDSA has a new name."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]
