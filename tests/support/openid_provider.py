"""An OpenID provider on loopback: the endpoints of the authorization code flow with PKCE, for a browser."""

import base64
import hashlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Mount, Route

from tests.support.client import Json
from tests.support.token_issuer import AUDIENCE, Issuer
from tests.support.tokens import SECRET
from tests.support.uvicorn_server import serve

CLIENT_ID = "scenewire-storyboard"


@dataclass
class OpenIdProvider:
    """Lets amy in without a form. Checks what RFC 6749, RFC 7636 and OpenID Connect ask of the client."""

    lifetime_seconds: int = 3_600
    url: str = ""
    issuer: Issuer = field(default_factory=Issuer)
    authorizations: list[Json] = field(default_factory=list[Json])
    refreshes: int = 0
    ended_sessions: int = 0
    _codes: dict[str, Json] = field(default_factory=dict[str, Json])

    def settings(self) -> Json:
        """Settings of a server whose storyboard signs users in here."""
        return {
            "auth_jwks_url": f"{self.url}/jwks",
            "auth_issuer": self.url,
            "auth_audience": AUDIENCE,
            "auth_client_id": CLIENT_ID,
            "auth_secret": "",
            "secret_key": SECRET,
        }

    def app(self) -> Starlette:
        """Its endpoints; those that pages call allow other origins."""
        routes = [
            Route("/.well-known/openid-configuration", self._configuration),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/logout", self._logout),
            Mount("/", self.issuer.app()),
        ]
        return Starlette(routes=routes, middleware=[Middleware(CORSMiddleware, allow_origins=["*"])])

    async def _configuration(self, _request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "end_session_endpoint": f"{self.url}/logout",
                "jwks_uri": f"{self.url}/jwks",
                "scopes_supported": ["openid", "profile", "offline_access"],
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _authorize(self, request: Request) -> RedirectResponse:
        asked = dict(request.query_params)
        assert asked["client_id"] == CLIENT_ID
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        self.authorizations.append(asked)
        code = f"code-{len(self.authorizations)}"
        self._codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def _token(self, request: Request) -> JSONResponse:
        form = dict(parse_qsl((await request.body()).decode()))
        if form["grant_type"] == "refresh_token":
            self.refreshes += 1
            return self._tokens()
        asked = self._codes.pop(form["code"])  # a code is used once
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
        assert (form["redirect_uri"], form["client_id"]) == (asked["redirect_uri"], CLIENT_ID)
        return self._tokens(nonce=asked["nonce"])

    def _tokens(self, **claims: str) -> JSONResponse:
        name = f"Amy {self.refreshes}" if self.refreshes else "Amy"
        exp = time.time() + self.lifetime_seconds
        sign = partial(self.issuer.token, "RS256", iss=self.url, name=name, exp=exp)
        return JSONResponse(
            {
                "access_token": sign(),
                "id_token": sign(aud=CLIENT_ID, iat=1, **claims),
                "refresh_token": f"refresh-{self.refreshes}",
                "token_type": "Bearer",
                "expires_in": self.lifetime_seconds,
            }
        )

    async def _logout(self, request: Request) -> RedirectResponse:
        self.ended_sessions += 1
        return RedirectResponse(request.query_params["post_logout_redirect_uri"])


@asynccontextmanager
async def openid_provider() -> AsyncGenerator[OpenIdProvider]:
    """Run a provider until the end of the block."""
    provider = OpenIdProvider()
    async with serve(provider.app()) as served:
        provider.url = served.origin
        yield provider
