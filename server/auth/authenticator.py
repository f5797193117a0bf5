"""Authentication of every request, before anything of it is read.

The middleware covers all routes, so a new route requires a token until `is_open` lists it.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from models.db.cancellation import raise_if_cancelled
from models.domain.errors import Unavailable
from models.lazy_import import lazily
from models.writes.store import Store
from server.auth.access_tokens import AccessTokens, is_secret
from server.auth.identity import ANONYMOUS, Identity, Unauthenticated
from server.auth.revoked_subjects import RevokedSubjects
from server.auth.sessions import Sessions, is_older
from server.settings import Settings
from server.transports.closing import CloseCode, CloseConnection
from server.transports.errors import TransportCode
from server.transports.header_values import values_of
from server.transports.rate_limiter import TooManyRequests
from server.transports.responses.made_answers import made_answer
from server.transports.websocket.messages import Payload

if TYPE_CHECKING:
    from server.auth import jwks, tokens
else:
    jwks, tokens = lazily("server.auth.jwks"), lazily("server.auth.tokens")

# RFC 6750, section 3: a request without credentials gets no error code.
CHALLENGE: Final = 'Bearer realm="scenewire"'
INVALID_TOKEN_CHALLENGE: Final = f'{CHALLENGE}, error="invalid_token"'
NO_CREDENTIALS: Final = "Authentication is required: send an Authorization header with a Bearer token."


class MakeErrorResponse(Protocol):
    """Makes the error response of the API that the request addresses."""

    def __call__(
        self,
        request: Request,
        status: int,
        code: TransportCode,
        message: str,
        *,
        retry_after_seconds: float | None = None,
    ) -> Response: ...


CountFailure = Callable[[HTTPConnection], None]
"""Counts a refused token of this connection. Raises TooManyRequests above the limit."""


class Authenticator:
    """Authenticates HTTP requests and websockets by their bearer tokens."""

    def __init__(self, settings: Settings, store: Store, sessions: Sessions, count_failure: CountFailure) -> None:
        self.count_failure = count_failure
        self.access_tokens = AccessTokens(store, sessions.close_revoked_token)
        self._revoked = RevokedSubjects(store)
        self._sessions = sessions
        self._jwks = jwks.Jwks(settings.auth_jwks_url) if settings.auth_jwks_url else None
        self._tokens = tokens.Tokens(settings, self._jwks) if settings.authenticates else None
        # In development a token is optional: it makes the request one of its subject.
        self._required = settings.production

    async def identify(self, authorization: Sequence[str]) -> Identity:
        """Return the identity for the values of a request's Authorization headers, of which it may have one.

        Raises Unauthenticated, and Unavailable when the keys or the revocations cannot be read.
        """
        secret = _access_token_of(authorization)
        if secret is not None:
            identity = await self.access_tokens.check(secret)
        elif self._tokens is None or not (authorization or self._required):
            return ANONYMOUS
        else:
            identity = await self._tokens.check(_token_of(authorization))
        revoked_at = await self._revoked.revoked_at(identity.viewer.id)
        if revoked_at is not None and is_older(identity, revoked_at):
            raise Unauthenticated("The token was revoked.")
        self._sessions.admit(identity)
        return identity

    def renewal(self, authorization: Sequence[str]) -> Callable[[], Identity | None]:
        """Return a function that identifies further requests with the headers of one that was identified.

        It returns what `identify` would return at that moment without waiting, and None where `identify` would refuse
        the request or has something to read.
        """
        revoked, secret = self._revoked, _access_token_of(authorization)
        if secret is not None:
            token, verified = secret, self.access_tokens.verified
        elif self._tokens is None or not (authorization or self._required):
            return lambda: ANONYMOUS
        else:
            token, verified = _token_of(authorization), self._tokens.verified

        def identity_now() -> Identity | None:
            identity = verified(token)
            if identity is None or not revoked.was_read(identity.viewer.id):
                return None
            revoked_at = revoked.as_read(identity.viewer.id)
            if revoked_at is not None and is_older(identity, revoked_at):
                return None
            self._sessions.admit(identity)
            return identity

        return identity_now

    async def is_refused(self, connection: HTTPConnection) -> bool:
        """Return whether the token of a request that takes long has expired or was revoked since it was identified."""
        try:
            await self.identify(values_of(connection.scope, b"authorization"))
        except Unauthenticated:
            return True
        except Unavailable as error:
            # What the request does next fails as well.
            raise_if_cancelled(error)
        return False

    async def on_init(self, socket: WebSocket, payload: Payload | None) -> None:
        """Authenticate a websocket by its `connection_init`, or else by the header of its handshake.

        Closes with 4403, as the protocol demands for a `connection_init` that is refused.
        """
        authorization = {name.lower(): value for name, value in (payload or {}).items()}.get("authorization")
        try:
            if authorization is not None and not isinstance(authorization, str):
                raise Unauthenticated("The payload's authorization must be a string.")
            values = socket.headers.getlist("authorization") if authorization is None else [authorization]
            socket.state.identity = await self.identify(values)
        except Unauthenticated as error:
            self.count_failure(socket)
            raise CloseConnection(CloseCode.FORBIDDEN, str(error)) from None
        except Unavailable as error:
            raise CloseConnection(CloseCode.SERVICE_RESTART, error.message) from error

    async def close(self) -> None:
        """Stop reading published keys."""
        if self._jwks is not None:
            await self._jwks.close()


def _token_of(authorization: Sequence[str]) -> str:
    """Return the bearer token of a request. Raises Unauthenticated unless there is one header with one."""
    if not authorization:
        raise Unauthenticated(NO_CREDENTIALS)
    scheme, _, token = authorization[0].strip().partition(" ")
    if scheme.lower() != "bearer" or len(authorization) > 1:
        raise Unauthenticated(NO_CREDENTIALS)
    return token.strip()


def _access_token_of(authorization: Sequence[str]) -> str | None:
    """Return the secret of the access token of a request, also in development; None for any other token."""
    if not authorization:
        return None
    scheme, _, token = authorization[0].strip().partition(" ")
    # The common case first: JSON Web Tokens.
    return _token_of(authorization) if is_secret(token.strip()) and scheme.lower() == "bearer" else None


class AuthMiddleware:
    """Passes on the HTTP requests that are authenticated or open; a websocket is authenticated by its first message."""

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        is_open: Callable[[Scope], bool],
        make_error: MakeErrorResponse,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._is_open = is_open
        self._make_error = make_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with an error response, or pass the request on."""
        answer: ASGIApp = self._app
        # A request whose answer is made already was identified before that; its token may have expired meanwhile.
        if scope["type"] == "http" and made_answer(scope) is None and not self._is_open(scope):
            answer = await self._error_for(scope) or answer
        await answer(scope, receive, send)

    async def _error_for(self, scope: Scope) -> Response | None:
        """Authenticate the request; return the error response when that fails."""
        authorization = values_of(scope, b"authorization")
        try:
            scope.setdefault("state", {})["identity"] = await self._authenticator.identify(authorization)
        except Unauthenticated as error:
            return self._unauthenticated(Request(scope), str(error), has_token=bool(authorization))
        except Unavailable as error:
            return self._make_error(Request(scope), 503, TransportCode.UNAVAILABLE, error.message)
        return None

    def _unauthenticated(self, request: Request, message: str, *, has_token: bool) -> Response:
        """Make the response 401, or 429 after too many refused tokens. Requests without a token are not counted."""
        try:
            if has_token:
                self._authenticator.count_failure(request)
        except TooManyRequests as limited:
            response = self._make_error(
                request,
                429,
                TransportCode.RATE_LIMITED,
                f"{limited.message}.",
                retry_after_seconds=limited.retry_after_seconds,
            )
            response.headers.update(limited.headers)
        else:
            response = self._make_error(request, 401, TransportCode.UNAUTHENTICATED, message)
            response.headers["www-authenticate"] = INVALID_TOKEN_CHALLENGE if has_token else CHALLENGE
        return response
