"""Floods: half-open requests, pending websockets, many messages, subscriptions and connections, unread responses."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import httpx
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.support.attack_target import BOB, MALLORY, Target, bearer, codes, next_message, post, receive, send
from tests.support.client import Client, Json
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.both_databases

HEAD = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
TOKEN = f"authorization: Bearer {MALLORY}\r\n".encode()
# Half a request, and the statuses of the responses: a request that is answered before its body gets no second response.
HALVES: list[tuple[bytes, list[str]]] = [
    (b"", ["408"]),
    (HEAD, ["408"]),
    (b"\r\n", ["408"]),
    (HEAD + TOKEN + b'content-length: 100\r\n\r\n{"query"', ["408"]),
    (b"PUT /api/v3/jobs/1/scenes/1 HTTP/1.1\r\nhost: x\r\n" + TOKEN + b"content-length: 100\r\n\r\n{", ["408"]),
    (HEAD + TOKEN + b"transfer-encoding: chunked\r\n\r\n5\r\n{", ["408"]),
    (b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /hea", ["200", "408"]),
    (HEAD + b"content-length: 10000000\r\n\r\n{", ["401"]),
]


@pytest.fixture(scope="module")
def settings() -> dict[str, float]:
    """Short deadlines, and limits that a test can reach."""
    return {
        "limit_header_seconds": 1,
        "limit_body_seconds": 1.5,
        "limit_init_seconds": 4,
        "limit_pending_per_address": 30,
        "limit_requests": 500,
        "limit_connections": 20,
    }


@asynccontextmanager
async def raw(target: Target, data: bytes) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A TCP connection on which these bytes were sent."""
    reader, writer = await asyncio.open_connection(*target.place)
    writer.write(data)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def closing(socket: ClientConnection) -> tuple[int, str]:
    """Code and reason of the close frame, after any messages."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code or 0, socket.close_reason or ""


async def flooded(request: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Repeat a request until one is refused; requests of more than a minute ago no longer count."""
    answers = [await request() for _ in range(2)]
    while answers[-1].status_code != 429:
        answers = await asyncio.gather(*(request() for _ in range(50)))
    return answers[-1]


async def refused(socket: ClientConnection, payload: Json) -> Json:
    """Repeat an operation until it is refused; return the message."""
    await send(socket, "subscribe", id="1", payload=payload)
    while (message := await next_message(socket))["type"] != "error":
        if message["type"] == "complete":
            await send(socket, "subscribe", id="1", payload=payload)
    return message


async def test_half_open_requests_get_a_408(target: Target) -> None:
    """More than a hundred at once; each gets the response, and its connection ends."""
    many = HALVES * 15
    async with AsyncExitStack() as stack, asyncio.timeout(TIMEOUT_SECONDS):
        halves = [await stack.enter_async_context(raw(target, half)) for half, _ in many]
        responses = await asyncio.gather(*(reader.read() for reader, _ in halves))
    statuses = [re.findall(r"HTTP/1.1 (\d+)", response.decode()) for response in responses]
    assert statuses == [expected for _, expected in many]


async def test_slow_request_headers_do_not_extend_the_deadline(target: Target) -> None:
    """A header line every 100 ms, as slowloris sends."""
    async with raw(target, HEAD) as (reader, writer), asyncio.timeout(TIMEOUT_SECONDS):

        async def send_slowly() -> None:
            while not writer.is_closing():
                writer.write(b"x-a: b\r\n")
                await asyncio.sleep(0.1)

        sender = asyncio.create_task(send_slowly())
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
        sender.cancel()


async def test_pending_websockets_do_not_block_others(target: Target) -> None:
    """Of 50 from one address the oldest beyond 30 are closed, and a client that authenticates is accepted."""
    async with AsyncExitStack() as stack:
        pending = [await stack.enter_async_context(target.socket(None)) for _ in range(50)]
        async with target.socket() as socket:
            await send(socket, "connection_init")
            await receive(socket, "connection_ack")
        assert await closing(pending[0]) == (1013, "Too many pending connections; retry after 1 s")
        assert await closing(pending[-1]) == (4408, "Connection initialisation timeout")


async def test_websocket_that_sends_too_many_messages_closes_with_1013(target: Target) -> None:
    """Messages of every type count."""
    async with target.socket() as socket:
        await send(socket, "connection_init")
        await receive(socket, "connection_ack")
        for _ in range(400):
            await send(socket, "ping")
        assert await closing(socket) == (1013, "Too many messages; retry after 1 s")


async def test_websocket_accepts_a_burst_of_200_messages(target: Target) -> None:
    """As a page sends when it opens."""
    async with target.socket() as socket:
        await send(socket, "connection_init")
        await receive(socket, "connection_ack")
        for number in range(190):
            await send(socket, "ping", payload={"n": number})
        for _ in range(190):
            await receive(socket, "pong")


async def test_subscriptions_per_websocket_are_limited(target: Target) -> None:
    """Fifty; the next one is rejected, and the others continue."""
    job = await target.a_job()
    document = f'subscription {{ jobProgress(jobId: "{job.id}") {{ total }} }}'
    async with target.socket() as socket:
        await send(socket, "connection_init")
        for number in range(51):
            await send(socket, "subscribe", id=str(number), payload={"query": document})
        error = await receive(socket, "error")
        assert error["payload"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
        await send(socket, "complete", id="0")
        await send(socket, "ping")
        await receive(socket, "pong")


async def test_open_websockets_and_event_streams_per_user_are_limited(target: Target) -> None:
    """Together; a closed connection frees its slot."""
    job = await target.a_job()
    stream = {"query": f'subscription {{ jobProgress(jobId: "{job.id}") {{ total }} }}'}
    async with AsyncExitStack() as stack:
        for _ in range(20):
            socket = await stack.enter_async_context(target.socket())
            await send(socket, "connection_init")
            await receive(socket, "connection_ack")
        async with target.socket() as extra:
            await send(extra, "connection_init")
            assert await closing(extra) == (1013, "At most 20 connections at once; retry after 1 s")
        client = target.client()
        answer = await client.http.post("/graphql", json=stream, headers={"accept": "text/event-stream"})
        await client.close()
        assert (answer.status_code, codes(answer.json()), answer.headers["retry-after"]) == (429, ["RATE_LIMITED"], "1")
    async with target.socket() as socket:
        await send(socket, "connection_init")
        await receive(socket, "connection_ack")


async def test_unread_responses_do_not_delay_other_requests(target: Target) -> None:
    """Large responses over HTTP and server-sent events, of which the client reads nothing."""
    job = await target.a_job(scenes=100, metadata={"padding": "x" * 16_000})
    document = f'{{ job(id: "{job.id}") {{ metadata scenes(first: 100) {{ nodes {{ id prompt metadata }} }} }} }}'
    body = f'{{"query": "{document.replace(chr(34), chr(92) + chr(34))}"}}'.encode()
    head = HEAD + f"authorization: Bearer {MALLORY}\r\ncontent-length: {len(body)}\r\n".encode()
    async with AsyncExitStack() as stack:
        for accept in ("application/json", "text/event-stream") * 15:
            request = head + f"accept: {accept}\r\n\r\n".encode() + body
            reader, _ = await stack.enter_async_context(raw(target, request))
            # asyncio stops reading from the TCP connection when the buffer of the StreamReader is full.
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        async with target.socket() as socket:
            await send(socket, "connection_init")
            await receive(socket, "connection_ack")


async def test_request_rate_is_limited_per_user(target: Target, mallory: Client) -> None:
    """429 with Retry-After on every transport; another user of the same address is not affected."""
    small = {"query": "{ viewer { id } }"}
    last = await flooded(lambda: mallory.http.post("/graphql", json=small))
    assert (last.status_code, codes(last.json())) == (429, ["RATE_LIMITED"])
    assert int(last.headers["retry-after"]) >= last.json()["errors"][0]["extensions"]["retryAfterSeconds"]
    rest = await flooded(lambda: mallory.http.get("/api/v3/jobs/1/scenes"))
    assert (rest.status_code, rest.json()["error"]["code"]) == (429, "RATE_LIMITED")
    async with target.socket() as socket:
        await send(socket, "connection_init")
        await receive(socket, "connection_ack")
        assert (await refused(socket, small))["payload"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_failed_tokens_are_limited_per_address_without_affecting_valid_tokens(target: Target) -> None:
    """Both come from the same address. Guessed secrets of access tokens count as well."""
    attacker, other = target.client("guess"), target.client(BOB)
    answers: list[int] = []
    for number in range(40):
        attacker.http.headers.update(bearer("guess" if number % 2 else f"scenewire_{number:043}"))
        answers.append((await post(attacker, "{ viewer { id } }")).status_code)
    assert answers == [401] * 30 + [429] * 10
    async with target.socket("guess") as socket:
        await send(socket, "connection_init")
        code, reason = await closing(socket)
    assert (code, reason.partition(";")[0]) == (1013, "Too many failed attempts")
    assert re.search(r"; retry after [0-9]+ s$", reason)
    assert (await post(other, "{ viewer { id } }")).status_code == 200
    await attacker.close()
    await other.close()
