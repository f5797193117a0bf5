"""A large file through the signed route of the server: interrupted in the middle, resumed, and inspected.

    .venv/bin/python -m bench.large_upload [--mebibytes 2048]

Prints the seconds of each step, and by how much the memory of the server's process has grown at its peak. Needs free
disk space for three times the file in the temporary folder: its parts, the file, and the copy that is inspected.
"""

import argparse
import asyncio
import hashlib
import socket
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.support.asset_files import PATCH, act, at, create, offset
from tests.support.client import NO_AUTHORITIES, Client
from tests.support.os_processes import peak_bytes
from tests.support.server_process import ServerProcess
from tests.support.silence import MEBIBYTE, Silence

# So that 2 GiB are less than an hour, the longest sound that is accepted.
RATE_HZ = 192_000
# For each request, on a machine that does other things as well.
TIMEOUT_SECONDS = 3_600.0


async def main(mebibytes: int) -> None:
    """Measure one upload."""
    sound = Silence(mebibytes * MEBIBYTE, RATE_HZ)
    digest = hashlib.sha256()
    for part in sound.content(0, sound.size_bytes):
        digest.update(part)
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder), provider="external", warm=False).start()
        client = Client(server.url)
        client.http.timeout = httpx.Timeout(TIMEOUT_SECONDS)
        try:
            await _upload(server, client, sound, digest.hexdigest())
        finally:
            await client.close()
            server.kill()


async def _upload(server: ServerProcess, client: Client, sound: Silence, sha256: str) -> None:
    size = sound.size_bytes
    announced = {"kind": "AUDIO", "contentType": "audio/wav", "sizeBytes": size, "sha256": sha256}
    payload = await create(client, announced)
    assert payload["errors"] == [], payload
    asset_id, url = payload["asset"]["id"], at(client, payload["upload"]["url"])
    before, began = peak_bytes(server.pid), time.monotonic()
    await asyncio.to_thread(_cut_off, url, sound, size // 2)
    # The server may still be storing what it has read.
    arrived = await offset(client, url)
    first = time.monotonic()
    print(f"interrupted after {size // 2 / MEBIBYTE:.0f} MiB: {arrived / MEBIBYTE:.0f} are kept, {first - began:.1f} s")
    headers = {**PATCH, "upload-offset": str(arrived), "content-length": str(size - arrived)}
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, verify=NO_AUTHORITIES) as sender:
        answer = await sender.patch(url, content=sound.rest(arrived), headers=headers)
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(size)), answer.text
    second = time.monotonic()
    rate = (size - arrived) / MEBIBYTE / (second - first)
    print(f"resumed up to {size / MEBIBYTE:.0f} MiB: {second - first:.1f} s, {rate:.0f} MiB/s")
    ready = (await act(client, "completeAsset", asset_id))["asset"]
    assert (ready["status"], ready["sha256"]) == ("READY", sha256), ready
    print(f"completed: {time.monotonic() - second:.1f} s")
    print(f"memory of the server at its peak: {(peak_bytes(server.pid) - before) / MEBIBYTE:.1f} MiB more than before")


def _cut_off(url: str, sound: Silence, number: int) -> None:
    """Send the head of a request for the whole file and its first bytes, and close the connection."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        lines = [f"PATCH {address.path}?{address.query} HTTP/1.1", f"host: {address.netloc}", "upload-offset: 0"]
        lines += [f"content-type: {PATCH['content-type']}", f"content-length: {sound.size_bytes}"]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        for part in sound.content(0, number):
            connection.sendall(part)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mebibytes", type=int, default=2048, help="size of the file")
    asyncio.run(main(parser.parse_args().mebibytes))
