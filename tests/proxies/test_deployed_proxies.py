"""The configurations in deploy/ of nginx and Caddy: streams, websockets, and uploads that go on after a cut."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from server.settings import Settings
from tests.support import jobs
from tests.support.asset_files import PATCH, File, act, create, picture
from tests.support.behind_proxy import FOLLOW, Place, behind, data_of, events_at, socket_at
from tests.support.caddy import FILE, caddy
from tests.support.nginx import documented, nginx
from tests.support.programs import program
from tests.support.proxy import Proxy
from tests.support.waiting import TIMEOUT_SECONDS, eventually

# The server stores an upload in parts of 4 MiB.
PART_BYTES = 4 * 2**20


def run(name: str, folder: Path) -> AbstractAsyncContextManager[Place]:
    """A server at the root of the host behind the proxy of this name."""

    def start(port: int, upstream_port: int) -> AbstractAsyncContextManager[Proxy]:
        if name == "caddy":
            return caddy(folder, port=port, upstream_port=upstream_port)
        return nginx(folder, documented(), port=port, upstream_port=upstream_port)

    return behind(folder, start)


@pytest.mark.parametrize("name", ["nginx", "caddy"])
async def test_streams_and_large_uploads_pass(tmp_path: Path, name: str) -> None:
    """Events arrive at once; the bytes of an upload reach the server before it has ended."""
    async with run(name, tmp_path) as place:
        made = await jobs.make(place.app, jobs.scene())
        async with events_at(place, made.id) as lines, socket_at(place) as socket:
            payload = {"query": FOLLOW, "variables": {"id": made.id}}
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
            await data_of(lines)
            await socket.recv()
            version = await jobs.retitle(place.app, made.id, "Behind a proxy")
            async with asyncio.timeout(TIMEOUT_SECONDS):
                assert json.loads(await data_of(lines))["data"]["jobEvents"] == {"version": version}
                assert json.loads(await socket.recv())["payload"]["data"]["jobEvents"] == {"version": version}
        await upload_in_two_parts(place, tmp_path / "media")


async def upload_in_two_parts(place: Place, media: Path) -> None:
    """Cut the connection when the server has stored a part, go on from there, and complete the asset."""
    file = picture(1500, 1400, "teal", "PNG", compress_level=0)
    assert PART_BYTES < len(file.content) < 2 * PART_BYTES
    announced = await create(place.app, file.announcement())
    url = announced["upload"]["url"]
    assert url.startswith(f"{place.url}/uploads/")
    with pytest.raises(ConnectionAbortedError):
        await place.http.put(url, content=cut(file, media), headers={"content-length": str(len(file.content))})
    head = await place.http.head(url)
    stored = int(head.headers["upload-offset"])
    assert stored >= PART_BYTES, head
    headers = PATCH | {"upload-offset": str(stored)}
    rest = await place.http.patch(url, content=file.content[stored:], headers=headers)
    assert (rest.status_code, rest.headers["upload-offset"]) == (204, str(len(file.content)))
    asset = (await act(place.app, "completeAsset", announced["asset"]["id"]))["asset"]
    assert asset["status"] == "READY"
    assert asset["media"]["url"].startswith(f"{place.url}/media/")
    assert (await place.http.get(asset["media"]["url"])).content == file.content


async def cut(file: File, media: Path) -> AsyncIterator[bytes]:
    """Send all but the last byte, and end the connection once the server has stored a part."""
    yield file.content[:-1]
    await eventually(lambda: stored_bytes(media) >= PART_BYTES)
    raise ConnectionAbortedError


def stored_bytes(media: Path) -> int:
    """Return the size of the largest file of the store, without those that are being written and then renamed."""
    finished = [each for each in media.rglob("*") if each.suffix != ".part" and each.is_file()]
    return max((each.stat().st_size for each in finished), default=0)


def test_caddy_accepts_the_file() -> None:
    """As it stands in the repository."""
    command = [program("caddy"), "validate", "--config", FILE, "--adapter", "caddyfile"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert done.returncode == 0, done.stderr


def test_caddy_closes_idle_connections_before_the_server() -> None:
    """As the test of nginx does: a request on a connection that the server has just closed would get 502."""
    (seconds,) = re.findall(r"^\t+keepalive (\d+)s$", FILE.read_text("utf-8"), re.MULTILINE)
    assert int(seconds) < Settings().keep_alive_seconds
