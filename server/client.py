"""The commands that talk to a running server do it like everybody else: GraphQL over websocket."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportError
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import ConnectionClosed, WebSocketException

from server.transports.closing import CloseCode

# What a server that is away, or goes away, looks like from here.
LOST = (OSError, TransportError, WebSocketException, TimeoutError)


class NotLetIn(Exception):
    """The server does not accept the token; the message is its own."""


class Session:
    """An open websocket."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def execute(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        """One query or mutation. Raises what `LOST` lists, and TransportQueryError for an answer with errors."""
        return await self._session.execute(GraphQLRequest(document, variable_values=variables))

    async def subscribe(self, document: str, variables: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """The messages of a subscription. Raises as `execute` does."""
        async for message in self._session.subscribe(GraphQLRequest(document, variable_values=variables)):
            yield message


@asynccontextmanager
async def connect(address: str, token: str | None = None) -> AsyncGenerator[Session]:
    """A session with the server at `address`, such as http://127.0.0.1:4000. Raises NotLetIn."""
    transport = WebsocketsTransport(
        url=f"ws{address.removeprefix('http')}/graphql",
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        init_payload={} if token is None else {"authorization": f"Bearer {token}"},
        connect_timeout=5,
        close_timeout=2,
        # The state of two hundred scenes is larger than the megabyte that the library takes by itself.
        connect_args={"max_size": None},
    )
    try:
        async with Client(transport=transport, fetch_schema_from_transport=False) as session:
            yield Session(session)
    except LOST as lost:
        if (reason := _forbidden(lost)) is not None:
            raise NotLetIn(reason) from lost
        raise


def _forbidden(lost: BaseException | None) -> str | None:
    """Why the server closed with 4403; None when it did not."""
    while lost is not None:
        if isinstance(lost, ConnectionClosed) and lost.rcvd is not None and lost.rcvd.code == CloseCode.FORBIDDEN:
            return lost.rcvd.reason
        lost = lost.__cause__ or lost.__context__
    return None
