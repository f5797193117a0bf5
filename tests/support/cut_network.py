"""An event stream whose network is cut: `unshare --map-root-user --net python -m tests.support.cut_network FOLDER`.

In a network namespace of its own, opens the only stream that a user may have, and then requests another one twice:
while the first one is alive, and after the loopback interface went down, so that nothing is acknowledged any more.
Prints both statuses.
"""

import asyncio
import fcntl
import json
import socket
import struct
import sys
from pathlib import Path
from typing import Final

import httpx
from fastapi import FastAPI
from starlette.types import Message

from server.app import create_app
from server.settings import Settings
from tests.support.uvicorn_server import serve

BODY = json.dumps({"query": "subscription { jobsUpdated { id } }"}).encode()
HEADERS = {"host": "localhost", "content-type": "application/json", "accept": "text/event-stream"}

# linux/sockios.h and linux/if.h
SIOCGIFFLAGS: Final = 0x8913
SIOCSIFFLAGS: Final = 0x8914
IFF_UP: Final = 1


def set_loopback(*, up: bool) -> None:
    """Switch the loopback interface on or off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        (flags,) = struct.unpack("16xH14x", answer)
        changed = flags | IFF_UP if up else flags & ~IFF_UP
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", changed))


async def status_without_network(app: FastAPI) -> int:
    """The status of a further stream, requested by calling the application."""
    status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    body: asyncio.Queue[Message] = asyncio.Queue()
    body.put_nowait({"type": "http.request", "body": BODY})

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            status.set_result(message["status"])

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in HEADERS.items()],
        "client": ("127.0.0.1", 1),
    }
    running = asyncio.create_task(app(scope, body.get, send))
    try:
        return await status
    finally:
        body.put_nowait({"type": "http.disconnect"})
        await running


async def main(folder: Path) -> None:
    """Print the two statuses as JSON."""
    set_loopback(up=True)
    url = f"sqlite+aiosqlite:///{folder / 'scenewire.db'}"
    app = create_app(Settings(database_url=url, media_url=str(folder / "media"), limit_connections=1))
    async with (
        serve(app, app.state.container.connections) as served,
        httpx.AsyncClient() as client,
        client.stream("POST", served.http, content=BODY, headers=HEADERS) as stream,
    ):
        # Kept until the end: httpx closes the response together with a dropped iterator.
        chunks = stream.aiter_raw()
        await anext(chunks)
        statuses = [await status_without_network(app)]
        set_loopback(up=False)
        statuses.append(await status_without_network(app))
        sys.stdout.write(json.dumps(statuses))
        set_loopback(up=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
