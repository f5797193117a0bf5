"""The GraphQL client of the commands that use a running server: graphql-transport-ws, as for any other client."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportError
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import ConnectionClosed, WebSocketException

from server.settings import PREFIX, WrongSettings
from server.transports.closing import CloseCode

# The errors of a server that is unavailable or closes the connection.
CONNECTION_ERRORS = (OSError, TransportError, WebSocketException, TimeoutError)


NO_SERVER_STATUS, TOKEN_REFUSED_STATUS = 5, 6


class TokenRefused(Exception):
    """The server refused the token; the message is the server's."""


class Session:
    """An open connection."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def execute(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Run one query or mutation. Raises CONNECTION_ERRORS, and TransportQueryError for a result with errors."""
        return await self._session.execute(GraphQLRequest(document, variable_values=variables))

    async def subscribe(self, document: str, variables: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """Yield the results of a subscription. Raises as `execute` does."""
        async for message in self._session.subscribe(GraphQLRequest(document, variable_values=variables)):
            yield message


def checked_address(address: str) -> str:
    """Return the URL of a server without a trailing slash. Raises WrongSettings for text that is none."""
    try:
        url = urlsplit(address)
        valid = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise WrongSettings(f"--url or {PREFIX}PUBLIC_URL: {address!r} is not a URL such as http://127.0.0.1:4000")
    return urlunsplit(urlsplit(address)).rstrip("/")


@asynccontextmanager
async def connect(address: str, token: str | None = None) -> AsyncGenerator[Session]:
    """Open a session with the server at `address`, such as http://127.0.0.1:4000. Raises TokenRefused."""
    transport = WebsocketsTransport(
        url=f"ws{address.removeprefix('http')}/graphql",
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        init_payload={} if token is None else {"authorization": f"Bearer {token}"},
        connect_timeout=5,
        close_timeout=2,
        # The state of 200 scenes is larger than the default limit of 1 MB.
        connect_args={"max_size": None},
    )
    try:
        async with Client(transport=transport, fetch_schema_from_transport=False) as session:
            yield Session(session)
    except CONNECTION_ERRORS as error:
        if (reason := _reason_of_refusal(error)) is not None:
            raise TokenRefused(reason) from error
        raise


def reason_of(error: BaseException) -> str:
    """Return the reason why a connection failed, which gql's own message does not contain."""
    return str(error.__cause__ or error) or type(error).__name__


def _reason_of_refusal(error: BaseException | None) -> str | None:
    """Return the reason of a close with code 4403 among the causes of the error; None without one."""
    while error is not None:
        if isinstance(error, ConnectionClosed) and error.rcvd is not None and error.rcvd.code == CloseCode.FORBIDDEN:
            return error.rcvd.reason
        error = error.__cause__ or error.__context__
    return None
