"""Many of something: requests that never end, sockets that say nothing, messages without number, readers that stop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.support.attack_target import BOB, MALLORY, Target, codes, post, receive, send
from tests.support.client import Client
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.both_databases

HEAD = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
HALVES = {
    "nothing": b"",
    "half a head": HEAD,
    "an empty line": b"\r\n",
    "half a body": HEAD + b'content-length: 100\r\n\r\n{"query"',
    "half a body of REST": b"PUT /api/v3/jobs/1/scenes/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
    "half a chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\n{",
    "half of a second request": b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /hea",
    "the rest of a refused body": HEAD + b"content-length: 10000000\r\n\r\n{",
}


@pytest.fixture(scope="module")
def settings() -> dict[str, float]:
    """Quick deadlines, and rates that can be met in a test."""
    return {"limit_header_seconds": 1, "limit_body_seconds": 1.5, "limit_requests": 500, "limit_connections": 20}


@asynccontextmanager
async def raw(target: Target, said: bytes) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which something was said."""
    reader, writer = await asyncio.open_connection(*target.place)
    writer.write(said)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def closing(socket: ClientConnection) -> tuple[int, str]:
    """The close frame, whatever comes before it."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code or 0, socket.close_reason or ""


async def test_half_open_requests_end_by_themselves_and_stop_nobody(target: Target) -> None:
    """More than a hundred at once. Whoever owes something hears so, and the connection ends."""
    async with AsyncExitStack() as stack, asyncio.timeout(TIMEOUT_SECONDS):
        halves = [await stack.enter_async_context(raw(target, half)) for half in list(HALVES.values()) * 15]
        said = await asyncio.gather(*(reader.read() for reader, _ in halves))
    assert all(b"HTTP/1.1 408" in answer for answer in said)


async def test_bytes_that_drip_buy_no_time(target: Target) -> None:
    """A byte every now and then, as slowloris does."""
    async with raw(target, HEAD) as (reader, writer), asyncio.timeout(TIMEOUT_SECONDS):

        async def drip() -> None:
            while not writer.is_closing():
                writer.write(b"x-a: b\r\n")
                await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
        dripping.cancel()


async def test_silent_sockets_keep_nobody_out(target: Target) -> None:
    """150 of them; beyond a hundred of one address those that have waited longest go, and whoever speaks is heard."""
    async with AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(target.socket(None)) for _ in range(150)]
        async with target.socket() as socket:
            await send(socket, "connection_init")
            await receive(socket, "connection_ack")
        assert await closing(silent[0]) == (4429, "Too many pending connections")
        assert await closing(silent[-1]) == (4408, "Connection initialisation timeout")


async def test_a_socket_that_talks_without_end_is_closed(target: Target) -> None:
    """Whatever it says: pings, operations, the same id again."""
    async with target.socket() as socket:
        await send(socket, "connection_init")
        await receive(socket, "connection_ack")
        for _ in range(400):
            await send(socket, "ping")
        assert await closing(socket) == (4429, "Too many messages")


async def test_a_dashboard_is_never_told_to_slow_down(target: Target) -> None:
    """Two hundred messages at once are a page that opens."""
    async with target.socket() as socket:
        await send(socket, "connection_init")
        await receive(socket, "connection_ack")
        for number in range(190):
            await send(socket, "ping", payload={"n": number})
        for _ in range(190):
            await receive(socket, "pong")


async def test_subscriptions_on_a_socket_are_counted(target: Target) -> None:
    """Fifty at once; the next is refused, and the others live on."""
    job = await target.a_job()
    document = f'subscription {{ jobProgress(jobId: "{job.id}") {{ total }} }}'
    async with target.socket() as socket:
        await send(socket, "connection_init")
        for number in range(51):
            await send(socket, "subscribe", id=str(number), payload={"query": document})
        refused = await receive(socket, "error")
        assert refused["payload"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
        await send(socket, "complete", id="0")
        await send(socket, "ping")
        await receive(socket, "pong")


async def test_connections_of_a_user_are_counted(target: Target) -> None:
    """Sockets and event streams together; a place that is left is free again."""
    job = await target.a_job()
    stream = {"query": f'subscription {{ jobProgress(jobId: "{job.id}") {{ total }} }}'}
    async with AsyncExitStack() as stack:
        for _ in range(20):
            socket = await stack.enter_async_context(target.socket())
            await send(socket, "connection_init")
            await receive(socket, "connection_ack")
        async with target.socket() as one_more:
            await send(one_more, "connection_init")
            assert await closing(one_more) == (4429, "At most 20 connections at once")
        client = target.client()
        answer = await client.http.post("/graphql", json=stream, headers={"accept": "text/event-stream"})
        await client.close()
        assert (answer.status_code, codes(answer.json()), answer.headers["retry-after"]) == (429, ["RATE_LIMITED"], "1")
    async with target.socket() as socket:
        await send(socket, "connection_init")
        await receive(socket, "connection_ack")


async def test_readers_that_stop_reading_stall_nobody(target: Target) -> None:
    """Each asks for much, over HTTP and as a stream, and reads nothing of it."""
    job = await target.a_job(scenes=100, metadata={"padding": "x" * 16_000})
    document = f'{{ job(id: "{job.id}") {{ metadata scenes(first: 100) {{ nodes {{ id prompt metadata }} }} }} }}'
    body = f'{{"query": "{document.replace(chr(34), chr(92) + chr(34))}"}}'.encode()
    head = HEAD + f"authorization: Bearer {MALLORY}\r\ncontent-length: {len(body)}\r\n".encode()
    async with AsyncExitStack() as stack:
        for accept in ("application/json", "text/event-stream") * 15:
            request = head + f"accept: {accept}\r\n\r\n".encode() + body
            reader, _ = await stack.enter_async_context(raw(target, request))
            # The reader's own buffer is soon full, and then nothing is read from the socket.
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        async with target.socket() as socket:
            await send(socket, "connection_init")
            await receive(socket, "connection_ack")


async def test_requests_without_end_are_told_to_wait(target: Target, mallory: Client) -> None:
    """429 with the time to wait, on every way in; the neighbour at the same address is not concerned."""
    small = {"query": "{ viewer { id } }"}
    answers = [await mallory.http.post("/graphql", json=small) for _ in range(2)]
    while answers[-1].status_code == 200:
        answers = await asyncio.gather(*(mallory.http.post("/graphql", json=small) for _ in range(50)))
    last = answers[-1]
    assert (last.status_code, codes(last.json())) == (429, ["RATE_LIMITED"])
    assert int(last.headers["retry-after"]) >= last.json()["errors"][0]["extensions"]["retryAfterSeconds"]
    rest = await mallory.http.get("/api/v3/jobs/1/scenes")
    assert (rest.status_code, rest.json()["error"]["code"]) == (429, "RATE_LIMITED")
    async with target.socket() as socket:
        await send(socket, "connection_init")
        await send(socket, "subscribe", id="1", payload=small)
        assert (await receive(socket, "error"))["payload"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_guessing_tokens_slows_the_guesser_and_never_a_valid_token(target: Target) -> None:
    """Both come from one address."""
    guesser, honest = target.client("guess"), target.client(BOB)
    answers = [(await post(guesser, "{ viewer { id } }")).status_code for _ in range(40)]
    assert answers == [401] * 30 + [429] * 10
    assert (await post(honest, "{ viewer { id } }")).status_code == 200
    await guesser.close()
    await honest.close()
