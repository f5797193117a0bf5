"""The limit of fan-out: a change by hand, then one frame that is made once and written to every socket of the job.

    python -m bench.limits.frames DATABASE PORT

It speaks as much HTTP and websocket as the load generators do, on the transports of uvloop without a library between.
"""

import asyncio
import base64
import hashlib
import sys
from collections import defaultdict
from typing import Any, cast

import orjson
import uvloop

from bench.limits.statements import SqliteWrites, answer_of

Json = dict[str, Any]
# RFC 6455, section 1.3.
ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PROGRESS = {"total": 20, "pending": 11, "processing": 1, "completed": 8, "failed": 0, "canceled": 0, "percentage": 42.0}
SCENE = {"position": 0, "prompt": "A lone lighthouse on a rocky coast at golden hour, waves crashing, shot 0"}


class Hub:
    """The sockets of each job and selection."""

    def __init__(self, writes: SqliteWrites) -> None:
        self._writes = writes
        self.sockets: defaultdict[tuple[str, str], list[asyncio.Transport]] = defaultdict(list)

    async def change(self, given: Json) -> bytes:
        """Change a scene, and write the event to all."""
        payload = await self._writes.update_scene(given["sceneId"], given["title"])
        for kind in ("Events", "Page", "Progress"):
            found = self.sockets.get((payload["job"], kind))
            if found:
                message = frame(_message(kind, payload))
                for socket in found:
                    socket.write(message)
        return answer_of("updateScene", payload)


class Connection(asyncio.Protocol):
    """One connection: requests, or a websocket."""

    transport: asyncio.Transport

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._data = b""
        self._upgraded = False
        # The loop alone keeps no task alive.
        self._answering: set[asyncio.Task[None]] = set()
        self._streams: list[tuple[str, str]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the socket: a write to a closed one is an error."""
        for stream in self._streams:
            self._hub.sockets[stream].remove(self.transport)

    def data_received(self, data: bytes) -> None:
        """Read a request, or frames."""
        self._data += data
        if not self._upgraded:
            self._request()
        while self._upgraded and (text := self._next_frame()) is not None:
            self._follow(orjson.loads(text))

    def _request(self) -> None:
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        if b"upgrade: websocket" in lower:
            key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
            accept = base64.b64encode(hashlib.sha1(key + ACCEPT, usedforsecurity=False).digest())
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            self._data, self._upgraded = rest, True
            return
        size = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) >= size:
            self._data = b""
            task = asyncio.create_task(self._answer(orjson.loads(rest)["variables"]["input"]))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self, given: Json) -> None:
        body = await self._hub.change(given)
        length = str(len(body)).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + length + b"\r\n\r\n"
        self.transport.write(head + body)

    def _next_frame(self) -> bytes | None:
        if len(self._data) < 6:
            return None
        start, size = 2, self._data[1] & 0x7F
        if size == 126:
            start, size = 4, int.from_bytes(self._data[2:4], "big")
        mask, end = self._data[start : start + 4], start + 4 + size
        if len(self._data) < end:
            return None
        masked = self._data[start + 4 : end]
        self._data = self._data[end:]
        return bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked)) if any(mask) else masked

    def _follow(self, message: Json) -> None:
        if message["type"] == "connection_init":
            self.transport.write(frame(b'{"type":"connection_ack"}'))
            return
        payload = message["payload"]
        kind = payload["query"].split("(")[0].removeprefix("subscription ")
        stream = (payload["variables"]["id"], kind)
        self._hub.sockets[stream].append(self.transport)
        self._streams.append(stream)
        first: Json = {"jobEvents": {"__typename": "JobSnapshot", "v": 1}}
        if kind == "Progress":
            first = {"jobProgress": {"v": 1, **PROGRESS, "updatedAt": None}}
        self.transport.write(frame(_next(first)))


def frame(text: bytes) -> bytes:
    """Return a text frame of a server (RFC 6455, section 5.2)."""
    size = len(text)
    return (bytes([0x81, size]) if size < 126 else bytes([0x81, 126]) + size.to_bytes(2, "big")) + text


def _next(data: Json) -> bytes:
    return orjson.dumps({"id": "1", "type": "next", "payload": {"data": data}})


def _message(kind: str, payload: Json) -> bytes:
    scene = payload["scene"]
    at, version = scene["updatedAt"], scene["version"]
    if kind == "Progress":
        return _next({"jobProgress": {"v": version, **PROGRESS, "updatedAt": at}})
    event: Json = {"__typename": "JobEvent", "v": version, "type": "SCENE_UPDATED"}
    if kind == "Events":
        event |= {"sceneId": scene["id"], "occurredAt": at}
    else:
        shown = {"id": scene["id"], "title": scene["title"], **SCENE, "status": "COMPLETED", "percentage": 100.0}
        event |= {"occurredAt": at, "scene": shown, "progress": {**PROGRESS, "version": version, "updatedAt": at}}
    return _next({"jobEvents": event})


async def serve(file: str, port: int) -> None:
    """Serve until the process ends."""
    hub = Hub(SqliteWrites(file))
    server = await asyncio.get_running_loop().create_server(lambda: Connection(hub), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    _, database, listening = sys.argv
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(database, int(listening)))
