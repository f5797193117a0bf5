"""A websocket client with several operations on one socket."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support.client import READS_ON_DEMAND, Client, Json
from tests.support.waiting import TIMEOUT_SECONDS


class Multiplexed:
    """One socket; the messages of each operation are read separately."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.order: list[str] = []
        self._queues: defaultdict[str, asyncio.Queue[Json]] = defaultdict(asyncio.Queue)

    async def subscribe(self, id_: str, query: str, **variables: Any) -> None:
        """Start an operation."""
        payload = {"query": query, "variables": variables}
        await self.socket.send(json.dumps({"type": "subscribe", "id": id_, "payload": payload}))

    async def complete(self, id_: str) -> None:
        """End an operation."""
        await self.socket.send(json.dumps({"type": "complete", "id": id_}))

    async def message(self, id_: str) -> Json:
        """Return the next message of an operation."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await self._queues[id_].get()

    async def payload(self, id_: str) -> Json:
        """Return the payload of the next message of an operation, which must be a `next`."""
        message = await self.message(id_)
        assert message["type"] == "next", message
        return message["payload"]

    async def feed(self, id_: str) -> Json:
        """Return the next value of `jobEvents`."""
        payload = await self.payload(id_)
        assert "errors" not in payload, payload
        return payload["data"]["jobEvents"]

    def unread(self, id_: str) -> int:
        """Return the number of messages of an operation that arrived and were not read."""
        return self._queues[id_].qsize()

    async def flush(self) -> None:
        """Wait until everything that the server sent before has arrived."""
        await self.socket.send(json.dumps({"type": "ping", "payload": {"flush": True}}))
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await self._queues["pong"].get()

    async def read(self) -> None:
        """Sort the messages until the socket is closed."""
        async for text in self.socket:
            message = json.loads(text)
            if message["type"] == "ping":
                await self.socket.send(json.dumps({"type": "pong"}))
                continue
            self.order.append(message.get("id", message["type"]))
            self._queues[message.get("id", message["type"])].put_nowait(message)


@asynccontextmanager
async def multiplexed(client: Client, **headers: str) -> AsyncGenerator[Multiplexed]:
    """Open a socket with the token of a client; in names of headers, underscores stand for hyphens."""
    address = f"ws{client.url.removeprefix('http')}/graphql"
    options: dict[str, Any] = {"additional_headers": {name.replace("_", "-"): value for name, value in headers.items()}}
    subprotocols = [Subprotocol("graphql-transport-ws")]
    async with connect(address, subprotocols=subprotocols, **READS_ON_DEMAND | options) as socket:
        await socket.send(json.dumps(client.init))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        one = Multiplexed(socket)
        reading = asyncio.create_task(one.read())
        try:
            yield one
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, ConnectionClosed):
                await reading
