"""The HTTP client of webhooks closes every connection that it opened."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count

import pytest

from coordinator.webhooks import http_client
from coordinator.webhooks.http_client import DeliveryErrorKind, DeliveryFailed, HttpClient, Policy
from coordinator.webhooks.ssrf import Address
from tests.support.listeners import listening
from tests.support.waiting import eventually
from tests.support.webhook_receiver import receiving

# From the start of a request to waiting for its response it takes some 20 iterations of the event loop, with TLS 30.
ITERATIONS = 50


class SilentServer:
    """A server that accepts connections and answers nothing; `open` are those that the client has not closed."""

    def __init__(self) -> None:
        self.accepted = 0
        self.port = 0
        self.open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read until the client closes the connection."""
        self.accepted += 1
        self.open.add(writer)
        with suppress(ConnectionError):
            while await reader.read(4096):
                pass
        self.open.discard(writer)
        writer.close()


@asynccontextmanager
async def silent_server() -> AsyncGenerator[SilentServer]:
    silent = SilentServer()
    async with listening(silent.serve) as silent.port:
        yield silent


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_webhook_request_canceled_at_any_moment_closes_its_connection(scheme: str) -> None:
    """Before, during and after connecting, the TLS handshake and sending."""
    client = HttpClient(Policy(http=True, loopback=True), verify=ssl.create_default_context())
    async with silent_server() as server:
        for iterations in count():
            # On a busy machine more iterations pass before the server accepts.
            if iterations >= ITERATIONS and server.accepted > ITERATIONS // 4:
                break
            request = asyncio.create_task(client.post(f"{scheme}://127.0.0.1:{server.port}/", b"{}", {}))
            for _ in range(iterations):
                await asyncio.sleep(0)
            request.cancel()
            await asyncio.wait([request])
            await eventually(lambda: not server.open)
    await client.close()


@pytest.mark.parametrize(
    ("name", "kind"), [("CONNECT_SECONDS", DeliveryErrorKind.TLS), ("TOTAL_SECONDS", DeliveryErrorKind.TIMEOUT)]
)
async def test_webhook_request_that_times_out_in_its_tls_handshake_closes_its_connection(
    name: str, kind: DeliveryErrorKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever timeout comes first."""
    monkeypatch.setattr(http_client, name, 0.1)
    client = HttpClient(Policy(loopback=True), verify=ssl.create_default_context())
    async with silent_server() as server:
        with pytest.raises(DeliveryFailed) as failed:
            await client.post(f"https://127.0.0.1:{server.port}/", b"{}", {})
        assert failed.value.kind is kind
        await eventually(lambda: not server.open)
    await client.close()


async def test_webhook_client_loads_the_trusted_authorities_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests at once share one TLS context: each takes a tenth of a second of CPU to load."""
    loaded: list[ssl.SSLContext] = []

    def load(**_: object) -> ssl.SSLContext:
        loaded.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return loaded[-1]

    monkeypatch.setattr("httpx.create_ssl_context", load)
    client = HttpClient(Policy())
    requests = [client.post("http://127.0.0.1:9/", b"{}", {}) for _ in range(4)]
    failures = await asyncio.gather(*requests, return_exceptions=True)
    assert all(isinstance(failure, DeliveryFailed) for failure in failures)
    assert len(loaded) == 1
    await client.close()


async def test_webhook_connection_serves_one_request() -> None:
    """A connection made for one host name serves no other on the same address."""

    async def resolve(_name: str, _port: int) -> Sequence[Address]:
        return [ipaddress.ip_address("127.0.0.1")]

    client = HttpClient(Policy(http=True, loopback=True), resolve=resolve, verify=ssl.create_default_context())
    async with receiving() as receiver:
        for name in ("one.example", "two.example"):
            await client.post(f"http://{name}:{receiver.port}/", b"{}", {})
        assert receiver.connections == 2
    await client.close()
