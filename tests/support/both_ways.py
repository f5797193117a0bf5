"""Two servers that differ in one setting: one recognises repeated requests, the other parses each of them."""

import logging
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.raw_http import RawConnection, RawResponse, raw_connection
from tests.support.server_app import App
from tests.support.tokens import production_server

NO_CACHE: dict[str, Any] = {"request_cache_bytes": 0}

# What may differ between two answers to the same request.
_DIFFERENT = (
    (re.compile(rb'"(id|requestId)":"[0-9a-f]{16}"'), rb'"\1":"..."'),
    (re.compile(rb'"retryAfterSeconds":[0-9.]+'), b'"retryAfterSeconds":0'),
)
_NEW_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Answer:
    """A response without what may differ: its date, new ids and times to wait."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @staticmethod
    def of(response: RawResponse) -> "Answer":
        """Return the comparable parts of a response."""
        body = response.body
        for pattern, replacement in _DIFFERENT:
            body = pattern.sub(replacement, body)
        headers = {name: value for name, value in response.headers.items() if name not in ("date", "content-length")}
        if _NEW_ID.fullmatch(headers.get("x-request-id", "")):
            headers["x-request-id"] = "new"
        return Answer(response.status, tuple(headers.items()), body)


class AccessLog(logging.Handler):
    """Collects the access log, without new ids."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[object, ...]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        values = vars(record)
        request_id = "new" if _NEW_ID.fullmatch(values["request_id"]) else values["request_id"]
        self.lines.append((record.getMessage(), values["action"], values["status"], values["client"], request_id))

    def taken(self) -> list[tuple[object, ...]]:
        """Return the lines since the last call."""
        lines, self.lines = self.lines, []
        return lines


@dataclass
class Way:
    """One of the servers, with its open connections by number."""

    app: App
    connections: dict[int, RawConnection] = field(default_factory=dict[int, RawConnection])
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def connection(self, number: int) -> RawConnection:
        """Return a connection, opened if it is not."""
        if number not in self.connections:
            host, port = self.app.url.removeprefix("http://").split(":")
            self.connections[number] = await self._stack.enter_async_context(raw_connection(host, int(port)))
        return self.connections[number]

    async def close(self) -> None:
        """Close the connections."""
        self.connections.clear()
        await self._stack.aclose()
        self._stack = AsyncExitStack()


@dataclass
class BothWays:
    """The two servers."""

    recognising: Way
    parsing: Way
    log: AccessLog

    @property
    def both(self) -> tuple[Way, Way]:
        """Both of them."""
        return self.recognising, self.parsing

    async def close(self) -> None:
        """Close all connections."""
        for way in self.both:
            await way.close()


@asynccontextmanager
async def both_ways(folder: Path, **settings: Any) -> AsyncGenerator[BothWays]:
    """Run two production servers with these settings, each with a database of its own."""
    log = AccessLog()
    logger = logging.getLogger("scenewire.access")
    level = logger.level
    folders = [folder / "recognising", folder / "parsing"]
    for each in folders:
        each.mkdir()
    async with (
        production_server(folders[0], **settings) as one,
        production_server(folders[1], **settings | NO_CACHE) as other,
    ):
        logger.addHandler(log)
        logger.setLevel(logging.INFO)
        ways = BothWays(Way(one.app), Way(other.app), log)
        try:
            yield ways
        finally:
            await ways.close()
            logger.removeHandler(log)
            logger.setLevel(level)
