"""A minimal client of the API that returns responses and messages unchanged."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.waiting import TIMEOUT_SECONDS

Json = dict[str, Any]
# The inputs that several mutations share; others have one of their own name.
_INPUTS = {
    **dict.fromkeys(("startJob", "cancelJob", "deleteJob", "restoreJob"), "JobActionInput"),
    **dict.fromkeys(("cancelScene", "deleteScene", "restoreScene"), "SceneActionInput"),
    **dict.fromkeys(("regenerateScenes", "cancelScenes", "deleteScenes", "restoreScenes"), "SceneBatchInput"),
    **dict.fromkeys(("completeAsset", "deleteAsset", "restoreAsset"), "AssetActionInput"),
    **dict.fromkeys(("rotateWebhookSecret", "deleteWebhook", "testWebhook"), "WebhookActionInput"),
    "revokeToken": "TokenActionInput",
}

# A test reads when it needs to. Unread messages wait in the client without a limit, because a client that stops reading
# misses the pongs too; and it sends no pings, because a busy machine answers them late. Either would close the socket.
READS_ON_DEMAND: dict[str, Any] = {"max_size": None, "max_queue": None, "ping_interval": None}
# Test servers speak plain HTTP. Loading the certificate authorities, as httpx does by default, takes 50 ms a client.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Stream:
    """One subscription on a socket of its own."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def next(self) -> Json:
        """Return `data` of the next message. Raises StopAsyncIteration after `complete`, AssertionError on errors."""
        while True:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                message = json.loads(await self.socket.recv())
            match message["type"]:
                case "next":
                    assert "errors" not in message["payload"], message
                    return message["payload"]["data"]
                case "complete":
                    raise StopAsyncIteration
                case "ping":
                    await self.socket.send(json.dumps({"type": "pong"}))
                case _:
                    raise AssertionError(message)

    async def rest(self) -> list[Json]:
        """Return all messages until `complete`."""
        messages: list[Json] = []
        while True:
            try:
                messages.append(await self.next())
            except StopAsyncIteration:
                return messages


class Client:
    """GraphQL over HTTP and over websocket, as the holder of `token` if given."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self.init: Json = {"type": "connection_init", **({"payload": headers} if headers else {})}
        self.http = httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, verify=NO_AUTHORITIES)

    async def result(self, document: str, **variables: Any) -> Json:
        """Execute a document. Return the whole response, errors included."""
        answer = await self.http.post("/graphql", json={"query": document, "variables": variables})
        return answer.json()

    async def execute(self, document: str, **variables: Any) -> Json:
        """Execute a document. Return its `data`; the response must have no errors."""
        answer = await self.result(document, **variables)
        assert "errors" not in answer, answer
        return answer["data"]

    async def mutate(self, name: str, selection: str, **fields: Any) -> Json:
        """Run one mutation whose only argument is `input`. Return its payload."""
        kind = _INPUTS.get(name, f"{name[0].upper()}{name[1:]}Input")
        document = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {selection} }} }}"
        return (await self.execute(document, input=fields))[name]

    @asynccontextmanager
    async def subscribe(self, document: str, **variables: Any) -> AsyncGenerator[Stream]:
        """Open a subscription; the end of the block closes the socket."""
        address = f"ws{self.url.removeprefix('http')}/graphql"
        async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")], **READS_ON_DEMAND) as socket:
            await socket.send(json.dumps(self.init))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            payload = {"query": document, "variables": variables}
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
            yield Stream(socket)

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()
