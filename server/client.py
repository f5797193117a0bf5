"""The commands that talk to a running server do it like everybody else: GraphQL over websocket."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportError
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import WebSocketException

# What a server that is away, or goes away, looks like from here.
LOST = (OSError, TransportError, WebSocketException, TimeoutError)


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
async def connect(address: str) -> AsyncGenerator[Session]:
    """A session with the server at `address`, such as http://127.0.0.1:4000."""
    transport = WebsocketsTransport(
        url=f"ws{address.removeprefix('http')}/graphql",
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        connect_timeout=5,
        close_timeout=2,
        # The state of two hundred scenes is larger than the megabyte that the library takes by itself.
        connect_args={"max_size": None},
    )
    async with Client(transport=transport, fetch_schema_from_transport=False) as session:
        yield Session(session)
