"""Send HTTP requests over kept connections, and count the answers.

    python -m bench.load.requests < SPECIFICATION

A specification is one line of JSON: `port`, `path`, `bodies` (sent in turn; GET where one is null), `first` (the index
of the body that is sent first), `headers`, `connections`, `seconds`, `rate` (requests a second of all connections
together, 0 for as many as are answered) and `limit` (requests in all, 0 for none). The answer is one line of JSON:
`answered`, `failed`, the Unix time `began`, `seconds` and the sorted `milliseconds` of each answer. The protocol is
read without a library, which costs a tenth of the CPU time.
"""

import asyncio
import json
import sys
import time
from itertools import cycle
from typing import Any, cast

import uvloop

GIVE_UP_SECONDS = 120.0
# A GraphQL response with errors counts as failed.
ERRORS = b'"errors":[{'


class Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    transport: asyncio.Transport

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._data = bytearray()
        self._needed = 0
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport = cast("asyncio.Transport", transport)
        self._load.next(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection must stay open until the end."""
        self._load.lost()

    def send(self, request: bytes) -> None:
        """Send one request."""
        self._sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Read until the answer is complete."""
        self._data += data
        if len(self._data) < self._needed:
            return
        body = self._complete()
        if body is None:
            return
        status = bytes(self._data[9:12])
        failed = status != b"200" or ERRORS in body[-2000:] or ERRORS in body[:2000]
        milliseconds = (time.perf_counter() - self._sent) * 1000
        self._data.clear()
        self._needed = 0
        self._load.answered(self, milliseconds, failed=failed)

    def _complete(self) -> bytes | None:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self._data[:end]).lower()
        _, found, after = head.partition(b"content-length:")
        if found:
            self._needed = end + 4 + int(after.partition(b"\r\n")[0])
            return bytes(self._data[end + 4 :]) if len(self._data) >= self._needed else None
        return bytes(self._data[end + 4 :]) if self._data.endswith(b"0\r\n\r\n") else None


class Load:
    """All connections of one load."""

    def __init__(self, specification: dict[str, Any]) -> None:
        requests = [_request(specification, body) for body in specification["bodies"]]
        first = int(specification.get("first", 0))
        self._bodies = cycle(requests[first:] + requests[:first])
        self._limit = int(specification["limit"])
        self._seconds = float(specification["seconds"])
        self._rate = float(specification["rate"])
        self._began = time.perf_counter()
        self._last = self._began
        self._sent = 0
        self._pending = 0
        self._failed = 0
        self._milliseconds: list[float] = []
        self._done = asyncio.Event()

    def next(self, connection: Connection) -> None:
        """Send the next request now, or when the rate allows it."""
        now = time.perf_counter()
        due = self._began + self._sent / self._rate if self._rate else now
        if due - self._began >= self._seconds or (self._limit and self._sent >= self._limit):
            if not self._pending:
                self._done.set()
            return
        self._sent += 1
        self._pending += 1
        if due > now:
            asyncio.get_running_loop().call_later(due - now, connection.send, next(self._bodies))
        else:
            connection.send(next(self._bodies))

    def answered(self, connection: Connection, milliseconds: float, *, failed: bool) -> None:
        """Count an answer."""
        self._pending -= 1
        self._failed += failed
        self._last = time.perf_counter()
        self._milliseconds.append(milliseconds)
        self.next(connection)

    def lost(self) -> None:
        """Stop: the server closed a connection."""
        self._done.set()

    async def run(self, port: int, connections: int) -> dict[str, Any]:
        """Return the result."""
        loop = asyncio.get_running_loop()
        began, self._began = time.time(), time.perf_counter()
        opened = [
            (await loop.create_connection(lambda: Connection(self), "127.0.0.1", port))[0] for _ in range(connections)
        ]
        async with asyncio.timeout(self._seconds + GIVE_UP_SECONDS):
            await self._done.wait()
        for each in opened:
            each.close()
        return {
            "answered": len(self._milliseconds),
            "failed": self._failed + self._pending,
            "began": began,
            "seconds": self._last - self._began,
            "milliseconds": [round(each, 3) for each in sorted(self._milliseconds)],
        }


def _request(specification: dict[str, Any], body: Any) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    entity = {} if body is None else {"Content-Type": "application/json", "Content-Length": str(len(content))}
    headers = {"Host": "localhost", "Accept": "application/json", **entity, **specification["headers"]}
    head = f"{'GET' if body is None else 'POST'} {specification['path']} HTTP/1.1\r\n"
    return (head + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode() + content


def main() -> None:
    """Read one specification after the other, and print the result of each."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin:
            specification = json.loads(line)
            load = Load(specification)
            result = runner.run(load.run(int(specification["port"]), int(specification["connections"])))
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
