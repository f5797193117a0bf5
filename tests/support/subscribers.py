"""Many subscribers of one job over websocket, in a process of their own and with little overhead.

    python -m tests.support.subscribers HOST PORT JOB HEALTHY WIDE

It writes `ready` when every subscriber has the snapshot, then follows commands from standard input. After `stall` the
wide ones, whose messages are large, do not read their sockets any more. After `report VERSION` it waits until that
version has arrived at the others, writes the arrival times of each version and the number of wide ones that the server
has disconnected as JSON, and ends.
"""

import asyncio
import json
import socket
import sys
import time
from collections import defaultdict
from typing import Any, NamedTuple

from tests.support.waiting import TIMEOUT_SECONDS, eventually

Json = dict[str, Any]

NARROW = "version"
WIDE = "version now: job { metadata }"
DOCUMENT = """subscription($jobId: ID!) {
    jobEvents(jobId: $jobId) { ... on JobSnapshot { version } ... on JobEvent { %s } }
}"""
HANDSHAKE = """GET /graphql HTTP/1.1\r
Host: localhost\r
Connection: Upgrade\r
Upgrade: websocket\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
Sec-WebSocket-Protocol: graphql-transport-ws\r
\r
"""
# A small receive buffer, so that writes of the server block soon after reading stops.
WINDOW_BYTES = 8192


class Report(NamedTuple):
    """The arrival times of each version, and the number of stalled subscribers that were disconnected."""

    arrivals: dict[int, list[float]]
    disconnected: int


class Subscriber(asyncio.Protocol):
    """Read websocket frames without a library, which costs less CPU time."""

    transport: asyncio.Transport

    def __init__(self, job_id: str, selection: str) -> None:
        self.arrivals: list[tuple[int, float]] = []
        self.ready = asyncio.Event()
        self.lost = asyncio.Event()
        self._variables = {"jobId": job_id}
        self._document = DOCUMENT % selection
        self._data = bytearray()
        self._handshake_done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(HANDSHAKE.encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is lost."""
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        """Read the head of the response, then whole frames."""
        arrived = time.monotonic()
        self._data += data
        if not self._handshake_done:
            head, found, rest = bytes(self._data).partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head, head
            self._handshake_done = True
            self._data = bytearray(rest)
            self._send_text({"type": "connection_init"})
        while (frame := self._frame()) is not None:
            self._on_frame(*frame, arrived)

    def _frame(self) -> tuple[int, bytes] | None:
        """Return the opcode and payload of the next frame (RFC 6455, 5.2); the server sends no fragments or masks."""
        data = self._data
        if len(data) < 2:
            return None
        length, begin = data[1] & 127, 2
        if length > 125:
            begin = 4 if length == 126 else 10
            if len(data) < begin:
                return None
            length = int.from_bytes(data[2:begin])
        end = begin + length
        if len(data) < end:
            return None
        frame = (data[0] & 15, bytes(data[begin:end]))
        del data[:end]
        return frame

    def _on_frame(self, opcode: int, data: bytes, arrived: float) -> None:
        if opcode == 9:
            self._send(10, data)
        elif opcode == 1:
            message = json.loads(data)
            if message["type"] == "connection_ack":
                payload = {"query": self._document, "variables": self._variables}
                self._send_text({"type": "subscribe", "id": "1", "payload": payload})
            else:
                assert message["type"] == "next", message
                self.arrivals.append((message["payload"]["data"]["jobEvents"]["version"], arrived))
                self.ready.set()

    def _send_text(self, message: Json) -> None:
        self._send(1, json.dumps(message).encode())

    def _send(self, opcode: int, data: bytes) -> None:
        """Send a frame. Clients must mask the payload; a mask of zeros leaves it unchanged."""
        size = len(data)
        length = bytes((0x80 | size,)) if size < 126 else bytes((0x80 | 126,)) + size.to_bytes(2)
        self.transport.write(bytes((0x80 | opcode,)) + length + bytes(4) + data)


async def subscribe(host: str, port: int, job_id: str, selection: str) -> Subscriber:
    """Connect, and wait for the snapshot."""
    sock = socket.socket()
    if selection is WIDE:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW_BYTES)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, (host, port))
    _, subscriber = await loop.create_connection(lambda: Subscriber(job_id, selection), sock=sock)
    await subscriber.ready.wait()
    return subscriber


async def run_commands(host: str, port: int, job_id: str, healthy: int, wide: int) -> None:
    """Subscribe, then follow the commands from standard input."""
    listeners = [await subscribe(host, port, job_id, NARROW) for _ in range(healthy)]
    stalled = [await subscribe(host, port, job_id, WIDE) for _ in range(wide)]
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    write("ready")
    while (command := (await commands.readline()).split())[0] != b"report":
        assert command == [b"stall"], command
        for each in stalled:
            each.transport.pause_reading()
        write("stalled")
    version = int(command[1])
    await eventually(lambda: all(each.arrivals[-1][0] >= version for each in listeners))
    arrivals: defaultdict[int, list[float]] = defaultdict(list)
    for listener in listeners:
        for number, arrived in listener.arrivals[1:]:
            arrivals[number].append(arrived)
    write(json.dumps({"arrivals": arrivals, "disconnected": await count_disconnected(stalled)}))


async def count_disconnected(stalled: list[Subscriber]) -> int:
    """Return the number of stalled subscribers that find their connection closed when they read again."""
    for each in stalled:
        each.transport.resume_reading()
    if stalled:
        waits = [asyncio.create_task(each.lost.wait()) for each in stalled]
        await asyncio.wait(waits, timeout=TIMEOUT_SECONDS)
    return sum(each.lost.is_set() for each in stalled)


def write(text: str) -> None:
    """Write a line to the parent process."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Subscribers:
    """The handle of a test on the process of the subscribers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, url: str, job_id: str, healthy: int, wide: int = 0) -> "Subscribers":
        """Start the process, and wait until every subscriber has the snapshot."""
        host, _, port = url.removeprefix("http://").partition(":")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.subscribers",
            *(host, port, job_id, str(healthy), str(wide)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**26,
        )
        subscribers = cls(process)
        assert await subscribers._answer() == "ready"
        return subscribers

    async def stall(self) -> None:
        """Stop reading on the wide subscribers."""
        self._send_text("stall")
        assert await self._answer() == "stalled"

    async def report(self, version: int) -> Report:
        """Return the report as soon as every healthy subscriber has this version. Ends the process."""
        self._send_text(f"report {version}")
        answer = json.loads(await self._answer())
        await self._process.wait()
        return Report({int(version): times for version, times in answer["arrivals"].items()}, answer["disconnected"])

    def kill(self) -> None:
        """Kill the process if it is still running."""
        if self._process.returncode is None:
            self._process.kill()

    def _send_text(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())

    async def _answer(self) -> str:
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()


if __name__ == "__main__":
    _, host, port, job_id, healthy, wide = sys.argv
    asyncio.run(run_commands(host, int(port), job_id, int(healthy), int(wide)))
