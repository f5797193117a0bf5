"""Requests that show how the server authenticates a client."""

import asyncio
import json

import httpx
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.support.client import READS_ON_DEMAND, Json
from tests.support.tokens import ProductionServer
from tests.support.waiting import TIMEOUT_SECONDS

VIEWER = "{ viewer { id name roles } }"
GRAPHQL_WS = Subprotocol("graphql-transport-ws")


def websocket_url(server: ProductionServer) -> str:
    """The address of the server's websocket."""
    return f"ws{server.app.url.removeprefix('http')}/graphql"


async def query_viewer(server: ProductionServer, bearer: str | None) -> httpx.Response:
    """Query the viewer over HTTP, with this token or without one."""
    return await server.client(bearer).http.post("/graphql", json={"query": VIEWER})


async def close_of_websocket(server: ProductionServer, init: Json, **headers: str) -> tuple[int, str]:
    """Open a websocket with this `connection_init`; return the code and reason with which the server closes it."""
    async with connect(
        websocket_url(server), subprotocols=[GRAPHQL_WS], additional_headers=headers, **READS_ON_DEMAND
    ) as socket:
        await socket.send(json.dumps({"type": "connection_init", **init}))
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""
