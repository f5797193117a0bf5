"""A large file in constant memory, which goes on after the server was killed."""

import hashlib
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from coordinator.assets.receiving import PART_BYTES
from tests.support.asset_files import PATCH, act, at, create, offset
from tests.support.client import Client
from tests.support.os_processes import on_linux, peak_bytes
from tests.support.server_process import ServerProcess
from tests.support.silence import MEBIBYTE, Silence
from tests.support.waiting import TIMEOUT_SECONDS, eventually

# Of some minutes.
SOUND = Silence(48 * MEBIBYTE)
# The server holds a part or two, and the hash of the file (11 MiB were measured); not the file itself.
MOST_GROWTH_BYTES = 32 * MEBIBYTE


def begin(url: str, number: int) -> socket.socket:
    """Send the head of a request for the whole file, and some of its bytes."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname or "", address.port or 0))
    lines = [f"PATCH {address.path}?{address.query} HTTP/1.1", f"host: {address.netloc}", "upload-offset: 0"]
    lines += [f"content-type: {PATCH['content-type']}", f"content-length: {SOUND.size_bytes}"]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    for part in SOUND.content(0, number):
        connection.sendall(part)
    return connection


@on_linux
@pytest.mark.slow
async def test_large_file_goes_on_after_a_kill_and_takes_no_memory(tmp_path: Path) -> None:
    """At most one part is sent again. The file is whole, as its hash and its length say."""
    digest = hashlib.sha256()
    for part in SOUND.content(0, SOUND.size_bytes):
        digest.update(part)
    server = ServerProcess(tmp_path, provider="external").start()
    client = Client(server.url)
    try:
        announcement = {"kind": "AUDIO", "contentType": "audio/wav", "sizeBytes": SOUND.size_bytes}
        payload = await create(client, announcement | {"sha256": digest.hexdigest()})
        asset_id, url = payload["asset"]["id"], at(client, payload["upload"]["url"])
        with begin(url, 3 * PART_BYTES):
            await eventually(lambda: len(list(tmp_path.rglob("part_*"))) >= 2)
            server.kill()
        server.start()
        arrived = await offset(client, url)
        assert PART_BYTES <= arrived <= 3 * PART_BYTES
        before = peak_bytes(server.pid)
        headers = {**PATCH, "upload-offset": str(arrived), "content-length": str(SOUND.size_bytes - arrived)}
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as sender:
            answer = await sender.patch(url, content=SOUND.rest(arrived), headers=headers)
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(SOUND.size_bytes))
        ready = (await act(client, "completeAsset", asset_id))["asset"]
        assert peak_bytes(server.pid) - before < MOST_GROWTH_BYTES
    finally:
        await client.close()
        server.kill()
    assert (ready["status"], ready["sha256"]) == ("READY", digest.hexdigest())
    assert ready["media"]["durationSeconds"] == pytest.approx(SOUND.seconds, abs=0.01)
