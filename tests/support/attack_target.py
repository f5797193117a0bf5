"""The server under attack, and the clients and tokens of its users."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.client import NO_AUTHORITIES, READS_ON_DEMAND, Client, Json
from tests.support.jobs import Made, make
from tests.support.server_process import ServerProcess
from tests.support.tokens import SECRET, token
from tests.support.waiting import TIMEOUT_SECONDS

PROBE_PATH = "/_probe"
MALLORY = token("mallory")
BOB = token("bob")
SUBPROTOCOL = Subprotocol("graphql-transport-ws")


class Target:
    """A server of the production profile in a process of its own."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.process = ServerProcess(
            folder,
            module="tests.support.probed_server",
            profile="production",
            auth_secret=SECRET,
            provider="external",
            allowed_origins="https://app.example.com",
            **settings,
        )
        # One for all probes: each client loads the certificates of authorities.
        self._http = httpx.Client(verify=NO_AUTHORITIES, timeout=TIMEOUT_SECONDS)

    def stop(self) -> int:
        """Stop the server, and return its exit status."""
        self._http.close()
        return self.process.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.process.url

    @property
    def ws(self) -> str:
        """Its websocket."""
        return f"ws{self.url.removeprefix('http')}/graphql"

    @property
    def place(self) -> tuple[str, int]:
        """Host and port, for what no client library would send."""
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self.process.log.read_text()

    def probe(self) -> float:
        """Return the longest time that the event loop was blocked since the last call, in seconds of its CPU time."""
        return self._http.get(f"{self.url}{PROBE_PATH}").json()

    def client(self, token: str | None = MALLORY) -> Client:
        """Return a client with this token, or without one."""
        client = Client(self.url)
        client.http.headers.update(bearer(token))
        return client

    @asynccontextmanager
    async def socket(self, token: str | None = MALLORY, **options: Any) -> AsyncGenerator[ClientConnection]:
        """An open websocket before its first message."""
        headers = {**bearer(token), **options.pop("additional_headers", {})}
        async with connect(
            self.ws, subprotocols=[SUBPROTOCOL], additional_headers=headers, **{**READS_ON_DEMAND, **options}
        ) as socket:
            yield socket

    async def a_job(self, token: str = MALLORY, scenes: int = 1, **fields: Any) -> Made:
        """A job of one of the users."""
        client = self.client(token)
        try:
            return await make(client, *[{"prompt": f"Scene {number}"} for number in range(scenes)], **fields)
        finally:
            await client.close()


def bearer(token: str | None) -> dict[str, str]:
    """Return the header that carries a token, if there is one."""
    return {} if token is None else {"authorization": f"Bearer {token}"}


async def send(socket: ClientConnection, kind: str, **rest: Any) -> None:
    """One message of graphql-transport-ws."""
    await socket.send(json.dumps({"type": kind, **rest}))


async def receive(socket: ClientConnection, kind: str) -> Json:
    """The next message of one type, whatever comes before it."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while (message := await next_message(socket))["type"] != kind:
            pass
    return message


async def next_message(socket: ClientConnection) -> Json:
    """Receive one message."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        return json.loads(await socket.recv())


def codes(answer: Json) -> list[str]:
    """The codes of an answer's errors."""
    return [error["extensions"]["code"] for error in answer.get("errors", [])]


async def post(client: Client, document: str, **variables: Any) -> httpx.Response:
    """The bare answer to a document."""
    return await client.http.post("/graphql", json={"query": document, "variables": variables})
