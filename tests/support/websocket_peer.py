"""A websocket client that sends exactly what a test specifies, well-formed or not."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support.client import READS_ON_DEMAND
from tests.support.uvicorn_server import Served
from tests.support.waiting import TIMEOUT_SECONDS

SUBPROTOCOL = Subprotocol("graphql-transport-ws")


class Peer:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, type_: str, **rest: Any) -> None:
        await self.socket.send(json.dumps({"type": type_, **rest}))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return json.loads(await self.socket.recv())

    async def init(self) -> None:
        await self.send("connection_init")
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, query: str, id_: str = "1", **params: Any) -> None:
        await self.send("subscribe", id=id_, payload={"query": query, **params})

    async def complete(self, id_: str = "1") -> None:
        await self.send("complete", id=id_)

    async def receives_nothing_more(self, id_: str = "1") -> None:
        """A ping goes through everything that was sent before it."""
        await self.send("ping", payload={"after": id_})
        while (message := await self.receive()) != {"type": "pong", "payload": {"after": id_}}:
            assert message.get("id") != id_, message

    async def closing(self) -> tuple[int, str]:
        """The close frame, whatever came before it."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            with pytest.raises(ConnectionClosed) as closed:
                await self._read_on()
        assert closed.value.rcvd is not None, "no close frame: 1006"
        return closed.value.rcvd.code, closed.value.rcvd.reason

    async def _read_on(self) -> None:
        while True:
            await self.socket.recv()


@asynccontextmanager
async def dial(served: Served, *, init: bool = True, **options: Any) -> AsyncGenerator[Peer]:
    options = {"subprotocols": [SUBPROTOCOL], **READS_ON_DEMAND, **options}
    async with connect(served.ws, **options) as socket:
        peer = Peer(socket)
        if init:
            await peer.init()
        yield peer
