"""A fake of a hosted service, in the event loop of the test: jobs that get on with each look, and faults on command."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.support.listeners import listening
from tests.support.replicate_files import clip

Json = dict[str, Any]


class Asked(NamedTuple):
    """A request; names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        """The body."""
        return json.loads(self.body)


class Reply(NamedTuple):
    """A response: JSON, or bytes of a content type."""

    status: int
    content: Any
    headers: Mapping[str, str] = {}


class Cut(Exception):
    """The connection ends without a response."""


@dataclass
class Fault:
    """What happens to the next request of a kind: `reply` instead of its own; without one the connection is cut.

    `done`: the request has its effect all the same.
    """

    reply: Reply | None = None
    done: bool = False


@dataclass
class Job:
    """A job, with the request that bought it."""

    id: str
    asked: Json
    callback: str | None = None
    looks: int = 0
    status: str = "pending"
    hold: bool = False

    def look(self, end: str, most: int) -> None:
        """Get on by a step; after `most` of them it ends."""
        self.looks += 1
        if self.looks >= most and not self.hold and self.status in ("pending", "running"):
            self.status = end
        elif self.status == "pending" and self.looks > 1:
            self.status = "running"


@dataclass
class FakeService:
    """Subclasses route requests. `end` is how jobs end after so many `looks`, `error` what they say then."""

    origin: str = ""
    token: str = "secret-token-of-the-fake"
    looks: int = 3
    end: str = "done"
    error: Any = None
    hold: bool = False
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    asked: list[Asked] = field(default_factory=list[Asked])
    counts: Counter[str] = field(default_factory=Counter[str])
    faults: dict[str, list[Fault]] = field(default_factory=dict[str, list[Fault]])

    def kind(self, asked: Asked) -> str:
        """Return the kind of a request, by which it is counted and its faults are ordered."""
        raise NotImplementedError

    def reply(self, kind: str, asked: Asked) -> Reply:
        """Answer a request."""
        raise NotImplementedError

    def fault(self, kind: str, reply: Reply | None = None, *, done: bool = False, times: int = 1) -> None:
        """Order a fault for the next requests of a kind."""
        self.faults.setdefault(kind, []).extend([Fault(reply, done)] * times)

    def buy(self, asked: Json, callback: str | None = None) -> Job:
        """Return a new job."""
        job = Job(f"job-{len(self.jobs) + 1}", asked, callback, hold=self.hold)
        self.jobs[job.id] = job
        return job

    def release(self) -> None:
        """Let jobs come to their end that were held."""
        for job in self.jobs.values():
            job.hold = False

    def bodies(self, kind: str) -> list[Json]:
        """Return the bodies of the requests of a kind."""
        return [each.json for each in self.asked if self.kind(each) == kind]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request of a connection."""
        try:
            asked = await _read(reader)
            if asked is not None:
                writer.write(_wire(self._answer(asked)))
                await writer.drain()
        except (Cut, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, asked: Asked) -> Reply:
        kind = self.kind(asked)
        self.asked.append(asked)
        self.counts[kind] += 1
        waiting = self.faults.get(kind)
        if not waiting:
            return self.reply(kind, asked)
        fault = waiting.pop(0)
        if fault.done:
            self.reply(kind, asked)
        if fault.reply is None:
            raise Cut
        return fault.reply


def seconds_of(asked: Json) -> float:
    """Return the seconds of the clip that a job delivers."""
    found = str(asked.get("duration", asked.get("input", {}).get("duration", 1))).removesuffix("s")
    return min(2.0, float(found))


def clip_of(job: Job) -> Reply:
    """Return the clip of a job."""
    return Reply(200, clip(seconds_of(job.asked)), {"content-type": "video/mp4"})


@asynccontextmanager
async def running(fake: FakeService) -> AsyncGenerator[None]:
    """Serve a fake on a free port."""
    async with listening(fake.serve) as port:
        fake.origin = f"http://127.0.0.1:{port}"
        yield


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, target, _ = first.split(" ")
    if headers.get("transfer-encoding") == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    url = urlsplit(target)
    return Asked(method, url.path, dict(parse_qsl(url.query)), headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


def _wire(reply: Reply) -> bytes:
    body = reply.content if isinstance(reply.content, bytes) else json.dumps(reply.content).encode()
    headers = {"content-type": "application/json", **reply.headers, "content-length": len(body), "connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} -\r\n{lines}\r\n".encode() + body
