"""Graceful shutdown under load: no acknowledged change is lost, no answer is cut off, sockets get a close code."""

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
from tests.support.waiting import eventually

# RFC 6455, 7.4.1, and the registry of IANA: going away, and service restart.
CLOSE_CODES = (1001, 1012)
WRITERS = 6
SUBSCRIBERS = 6
# How many changes each writer must have made before the server is stopped.
MIN_CHANGES = 4


class Outcome(NamedTuple):
    """The slowest shutdown in seconds, the acknowledged changes, and the writers whose last request got no answer."""

    slowest_shutdown: float
    acknowledged: int
    unanswered: int


class CutOff(AssertionError):
    """The connection ended in the middle of an answer."""


class Writer:
    """Changes a job over one connection until the server is gone."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.acknowledged: set[int] = set()

    async def write(self, url: str) -> None:
        """Change the title again and again. Raises CutOff for half an answer."""
        document = "mutation($input: UpdateJobInput!) { updateJob(input: $input) { job { version } } }"
        with suppress(ConnectionError):
            async with connected(url) as (reader, writer):
                while True:
                    title = {"jobId": self.job_id, "title": f"{time.monotonic()}"}
                    writer.write(request({"query": document, "variables": {"input": title}}))
                    answer = await read_answer(reader)
                    if answer is None:
                        return
                    self.acknowledged.add(answer["data"]["updateJob"]["job"]["version"])

    async def check(self, client: Client) -> bool:
        """The log has no gap and every acknowledged change. Return whether it has one that was not acknowledged."""
        events = await jobs.log(client, self.job_id)
        log = [event["version"] for event in events]
        assert log == list(range(1, len(log) + 1))
        assert self.acknowledged <= set(log), "an acknowledged change was lost"
        return any(event["type"] == "JOB_UPDATED" and event["version"] not in self.acknowledged for event in events)


async def run(folder: Path, shutdowns: int, randomness: random.Random, **settings: Any) -> Outcome:
    """Stop and start a server again and again under load."""
    server = ServerProcess(folder, provider="scripted", **settings)
    slowest, acknowledged, unanswered = 0.0, 0, 0
    try:
        for _ in range(shutdowns):
            await asyncio.to_thread(server.start)
            async with client_of(server) as client:
                writers = [Writer(await busy_job(client)) for _ in range(WRITERS)]
                followed = [randomness.choice(writers).job_id for _ in range(SUBSCRIBERS)]
                closing = [asyncio.create_task(close_code(client, job_id)) for job_id in followed]
                writing = [asyncio.create_task(each.write(server.url)) for each in writers]
                await eventually(lambda: all(len(each.acknowledged) >= MIN_CHANGES for each in writers))  # noqa: B023
                await asyncio.sleep(randomness.uniform(0.0, 1.0))
                began = time.monotonic()
                assert await asyncio.to_thread(server.stop) == 0
                slowest = max(slowest, time.monotonic() - began)
                await asyncio.gather(*writing)
                assert set(await asyncio.gather(*closing)) <= set(CLOSE_CODES)
            await asyncio.to_thread(server.start)
            async with client_of(server) as client:
                unanswered += sum([await each.check(client) for each in writers])
            acknowledged += sum(len(each.acknowledged) for each in writers)
            assert await asyncio.to_thread(server.stop) == 0
    finally:
        server.kill()
    return Outcome(slowest, acknowledged, unanswered)


async def busy_job(client: Client) -> str:
    """Start a job with some renders; return its id."""
    return (await jobs.make(client, *(jobs.scene(steps=20, stepSeconds=0.1) for _ in range(3)), start=True)).id


async def close_code(client: Client, job_id: str) -> int:
    """Subscribe until the server closes the socket; return the close code."""
    async with client.subscribe(VERSIONS, id=job_id) as stream:
        with suppress(ConnectionClosed):
            while True:
                await stream.next()
        assert stream.socket.close_code is not None
        return stream.socket.close_code


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection without a client library, which would hide at which byte it ended."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def request(body: Json) -> bytes:
    """Encode an operation as an HTTP/1.1 request."""
    encoded = json.dumps(body).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(encoded)}\r\n\r\n"
    )
    return head.encode() + encoded


async def read_answer(reader: asyncio.StreamReader) -> Json | None:
    """Return the next answer; None when the connection ended before it. Raises CutOff when it ended within."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as ended:
        if ended.partial:
            raise CutOff(ended.partial) from ended
        return None
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    assert len(lengths) == 1, head
    try:
        return json.loads(await reader.readexactly(int(lengths[0].partition(b":")[2])))
    except (asyncio.IncompleteReadError, ConnectionError) as ended:
        raise CutOff(str(ended)) from ended
