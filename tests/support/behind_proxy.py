"""A server behind a reverse proxy, and what its clients do."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.support.client import READS_ON_DEMAND
from tests.support.proxy import Proxy, unused_port
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS

FOLLOW = "subscription($id: ID!) { jobEvents(jobId: $id) { ... on JobEvent { version } } }"


class Place(NamedTuple):
    """A server, a proxy in front of it, and a client of the proxy. `path` is that of PUBLIC_URL."""

    app: App
    proxy: Proxy
    http: httpx.AsyncClient
    path: str

    @property
    def url(self) -> str:
        return self.proxy.origin + self.path


@asynccontextmanager
async def behind(
    folder: Path, start: Callable[[int, int], AbstractAsyncContextManager[Proxy]], path: str = ""
) -> AsyncGenerator[Place]:
    """Run a server behind the proxy that `start` runs on the first port, before the server on the second one."""
    port = unused_port()
    async with (
        running(folder, public_url=f"https://localhost:{port}{path}", trusted_proxies="127.0.0.1") as app,
        start(port, int(app.url.rpartition(":")[2])) as proxy,
        httpx.AsyncClient(base_url=proxy.origin, verify=proxy.tls, timeout=TIMEOUT_SECONDS) as http,
    ):
        yield Place(app, proxy, http, path)


@asynccontextmanager
async def events_at(place: Place, job_id: str) -> AsyncGenerator[AsyncIterator[str]]:
    """The lines of an event stream of a job through the proxy."""
    headers = {"accept": "text/event-stream"}
    body = {"query": FOLLOW, "variables": {"id": job_id}}
    async with place.http.stream("POST", f"{place.path}/graphql", json=body, headers=headers) as response:
        yield response.aiter_lines()


async def data_of(lines: AsyncIterator[str]) -> str:
    """Return the data of the next event."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        async for line in lines:
            if line.startswith("data:") and line != "data:":
                return line.removeprefix("data:")
    raise AssertionError("the stream ended")


@asynccontextmanager
async def socket_at(place: Place, path: str = "/graphql", **options: Any) -> AsyncGenerator[Any]:
    """A websocket through the proxy, after `connection_ack`."""
    url = f"wss{place.url.removeprefix('https')}{path}"
    protocols = [Subprotocol("graphql-transport-ws")]
    async with connect(url, ssl=place.proxy.tls, subprotocols=protocols, **READS_ON_DEMAND, **options) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        yield socket
