"""The gate: everybody is asked who they are, before anything of theirs is read.

It stands in front of every route, so that a new one is closed until somebody says that it is open.
"""

from collections.abc import Callable, Sequence
from typing import Final

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from models.domain.errors import Unavailable
from models.reads import revocations
from models.writes.store import Store
from server.auth.identity import ANYBODY, Identity, Unauthenticated
from server.auth.jwks import Jwks
from server.auth.sessions import Sessions, is_revoked
from server.auth.tokens import Tokens
from server.settings import Settings
from server.transports import CloseCode, CloseConnection
from server.transports.errors import TransportCode
from server.transports.messages import Payload
from server.transports.rate_limiter import TooManyRequests

# RFC 6750, section 3: nothing is said of the token when there was none.
CHALLENGE: Final = 'Bearer realm="scenewire"'
CHALLENGE_AGAIN: Final = f'{CHALLENGE}, error="invalid_token"'
WHO_ARE_YOU: Final = "Say who you are, by an Authorization header with a Bearer token."

Refuse = Callable[[Request, int, TransportCode, str], Response]
"""The answer to a request that does not get in: its status, its code and why."""

Count = Callable[[HTTPConnection], None]
"""Told of each token that was not accepted; raises TooManyRequests when it were too many."""


class Authenticator:
    """Knows whom to let in, over HTTP and over websocket."""

    def __init__(self, settings: Settings, store: Store, sessions: Sessions, failed: Count) -> None:
        self.failed = failed
        self._store = store
        self._sessions = sessions
        self._jwks = Jwks(settings.auth_jwks_url) if settings.auth_jwks_url else None
        self._tokens = Tokens(settings, self._jwks) if settings.authenticates else None
        # In development a token can be shown, to try things as somebody, but is not asked for.
        self._required = settings.production

    async def identify(self, authorization: Sequence[str]) -> Identity:
        """Who somebody is that says this, in no or one Authorization header.

        Raises Unauthenticated, and Unavailable when that cannot be decided just now.
        """
        if self._tokens is None or not (authorization or self._required):
            return ANYBODY
        if not authorization:
            raise Unauthenticated(WHO_ARE_YOU)
        scheme, _, token = authorization[0].strip().partition(" ")
        if scheme.lower() != "bearer" or len(authorization) > 1:
            raise Unauthenticated(WHO_ARE_YOU)
        identity = await self._tokens.check(token.strip())
        subject = identity.viewer.id
        async with self._store.read() as connection:
            found = await revocations.of_subjects(connection, [subject])
        if is_revoked(identity, found):
            raise Unauthenticated("The token was revoked.")
        self._sessions.admit(identity)
        return identity

    async def on_init(self, socket: WebSocket, payload: Payload | None) -> None:
        """Let a websocket in, by its `connection_init` or else by the header of its handshake.

        Closes with 4403, as the protocol asks for a `connection_init` that is refused.
        """
        said = {name.lower(): value for name, value in (payload or {}).items()}.get("authorization")
        try:
            if said is not None and not isinstance(said, str):
                raise Unauthenticated("The payload's authorization must be a text.")
            given = socket.headers.getlist("authorization") if said is None else [said]
            socket.state.identity = await self.identify(given)
        except Unauthenticated as refused:
            self.failed(socket)
            raise CloseConnection(CloseCode.FORBIDDEN, str(refused)) from None
        except Unavailable as away:
            raise CloseConnection(CloseCode.SERVICE_RESTART, away.message) from away

    async def close(self) -> None:
        """Leave nothing running."""
        if self._jwks is not None:
            await self._jwks.close()


class AuthMiddleware:
    """The application behind the gate; a websocket is let in by its first message."""

    def __init__(
        self, app: ASGIApp, authenticator: Authenticator, is_open: Callable[[Request], bool], refuse: Refuse
    ) -> None:
        self._app = app
        self._gate = authenticator
        self._is_open = is_open
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        answer: ASGIApp = self._app
        if scope["type"] == "http" and not self._is_open(request := Request(scope)):
            answer = await self._let_in(request) or answer
        await answer(scope, receive, send)

    async def _let_in(self, request: Request) -> Response | None:
        given = request.headers.getlist("authorization")
        try:
            request.state.identity = await self._gate.identify(given)
        except Unauthenticated as refused:
            return self._refused(request, str(refused), again=bool(given))
        except Unavailable as away:
            return self._refuse(request, 503, TransportCode.UNAVAILABLE, away.message)
        return None

    def _refused(self, request: Request, why: str, *, again: bool) -> Response:
        """Only what was tried is counted: who does not know yet that they are asked learns it as often as they like."""
        try:
            if again:
                self._gate.failed(request)
        except TooManyRequests as limited:
            answer = self._refuse(request, 429, TransportCode.RATE_LIMITED, f"{limited.message}.")
            answer.headers.update(limited.headers)
        else:
            answer = self._refuse(request, 401, TransportCode.UNAUTHENTICATED, why)
            answer.headers["www-authenticate"] = CHALLENGE_AGAIN if again else CHALLENGE
        return answer
