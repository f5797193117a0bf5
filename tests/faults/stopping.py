"""A server that is told to stop under load: what it acknowledged is there, and it leaves nobody with half an answer."""

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed

from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.deployment import client_of
from tests.support.job_feed import VERSIONS
from tests.support.server_process import ServerProcess

STOPPED_SECONDS = 12.0
# RFC 6455, 7.4.1, and the registry of IANA: going away, and service restart.
GOODBYES = (1001, 1012)
WRITERS = 6
LISTENERS = 6


class Outcome(NamedTuple):
    """The slowest stop in seconds, the changes that were acknowledged, and those that were not answered."""

    slowest_stop: float
    accepted: int
    unanswered: int


class Half(AssertionError):
    """Part of an answer came, and then nothing more."""


async def run(folder: Path, stops: int, chance: random.Random, **settings: Any) -> Outcome:
    """Stop and start a server again and again while it is used."""
    server = ServerProcess(folder, provider="scripted", **settings)
    slowest, accepted, unanswered = 0.0, 0, 0
    try:
        for _ in range(stops):
            await asyncio.to_thread(server.start)
            async with client_of(server) as client:
                made = await asyncio.gather(*(busy_job(client) for _ in range(WRITERS)))
                goodbyes = [asyncio.create_task(goodbye(client, chance.choice(made))) for _ in range(LISTENERS)]
                writing = [asyncio.create_task(write(server.url, each)) for each in made]
                await asyncio.sleep(chance.uniform(0.3, 1.5))
                began = time.monotonic()
                assert await asyncio.to_thread(server.stop, within_seconds=STOPPED_SECONDS) == 0
                slowest = max(slowest, time.monotonic() - began)
                written = await asyncio.gather(*writing)
                assert set(await asyncio.gather(*goodbyes)) <= set(GOODBYES)
            await asyncio.to_thread(server.start)
            async with client_of(server) as client:
                for job_id, acknowledged, answered in zip(made, *zip(*written, strict=True), strict=True):
                    log = [event["version"] for event in await jobs.log(client, job_id)]
                    assert log == list(range(1, len(log) + 1))
                    assert acknowledged <= set(log), "an acknowledged change was lost"
                    accepted += len(acknowledged)
                    unanswered += not answered
            assert await asyncio.to_thread(server.stop) == 0
    finally:
        server.kill()
    assert accepted > 20 * stops, "too little was done"
    return Outcome(slowest, accepted, unanswered)


async def busy_job(client: Client) -> str:
    """A job that is being rendered."""
    return (await jobs.make(client, *(jobs.scene(steps=20, stepSeconds=0.1) for _ in range(3)), start=True)).id


async def goodbye(client: Client, job_id: str) -> int:
    """Listen until the socket is closed; answers with which code."""
    async with client.subscribe(VERSIONS, id=job_id) as stream:
        with suppress(ConnectionClosed):
            while True:
                await stream.next()
        assert stream.socket.close_code is not None
        return stream.socket.close_code


async def write(url: str, job_id: str) -> tuple[set[int], bool]:
    """Change a job until nobody answers; the versions acknowledged, and whether the last request was answered."""
    acknowledged: set[int] = set()
    document = "mutation($input: UpdateJobInput!) { updateJob(input: $input) { job { version } } }"
    try:
        async with connected(url) as (reader, writer):
            while True:
                title = {"jobId": job_id, "title": f"{time.monotonic()}"}
                writer.write(request({"query": document, "variables": {"input": title}}))
                answer = await answer_to(reader)
                if answer is None:
                    return acknowledged, False
                acknowledged.add(answer["data"]["updateJob"]["job"]["version"])
    except ConnectionError:
        return acknowledged, False


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection: a client library would hide at which byte it broke."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def request(body: Json) -> bytes:
    """An operation over HTTP/1.1."""
    encoded = json.dumps(body).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(encoded)}\r\n\r\n"
    )
    return head.encode() + encoded


async def answer_to(reader: asyncio.StreamReader) -> Json | None:
    """The next answer; None when the connection ended before it began. Raises Half when it ended later."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as ended:
        if ended.partial:
            raise Half(ended.partial) from ended
        return None
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    assert len(lengths) == 1, head
    try:
        return json.loads(await reader.readexactly(int(lengths[0].partition(b":")[2])))
    except (asyncio.IncompleteReadError, ConnectionError) as ended:
        raise Half(str(ended)) from ended
