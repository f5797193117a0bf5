"""Faults of SQLite: another process holds the write lock, and the disk is full."""

import asyncio
import resource
import sqlite3
import subprocess
import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.deployment import client_of
from tests.support.job_feed import VERSIONS
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually

# How many reads must succeed while the lock is held, or the disk is full.
MIN_READS = 5
FILE = "scenewire.db"
MOUNT = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs"]
UPDATE = """mutation($input: UpdateJobInput!) {
    updateJob(input: $input) { job { version } errors { code } }
}"""


class Locked(NamedTuple):
    """The slowest read while the lock was held and the slowest change after it, in seconds; the number of reads."""

    slowest_read: float
    slowest_change: float
    reads: int


async def locked(folder: Path, seconds: float) -> Locked:
    """Hold the write lock from another process: changes wait for it, reads and probes do not."""
    server = serving(folder)
    await asyncio.to_thread(server.start)
    try:
        async with client_of(server) as client:
            running = await jobs.make(client, jobs.scene(steps=20, stepSeconds=0.1), start=True)
            made = [await jobs.make(client, provider="external") for _ in range(10)]
            async with client.subscribe(VERSIONS, id=made[0].id) as stream:
                await stream.next()
                with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as holder:
                    holder.execute("BEGIN IMMEDIATE")
                    changes = [asyncio.create_task(jobs.retitle(client, each.id, "Waited")) for each in made]
                    read_seconds = await read_repeatedly(client, made[0].id, seconds)
                    assert not any(change.done() for change in changes), "a change was made in spite of the lock"
                    holder.execute("ROLLBACK")
                released_at = time.monotonic()
                await asyncio.gather(*changes)
                slowest_change = time.monotonic() - released_at
                assert (await stream.next())["jobEvents"]["version"] == made[0].version + 1
            assert await jobs.settled(client, running.id) == "COMPLETED"
        assert await asyncio.to_thread(server.stop) == 0
    finally:
        server.kill()
    return Locked(max(read_seconds), slowest_change, len(read_seconds))


def serving(folder: Path, **settings: Any) -> ServerProcess:
    """Return a server with its database in this folder."""
    database_url = f"sqlite+aiosqlite:///{folder / FILE}"
    return ServerProcess(folder, database_url=database_url, provider="scripted", **settings)


async def read_repeatedly(client: Client, job_id: str, seconds: float) -> list[float]:
    """Read and probe for some seconds, several times at least; return how long each took."""
    durations: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(durations) < MIN_READS:
        began = time.monotonic()
        assert (await jobs.job(client, job_id, "title scenes { nodes { id status } }"))["title"] == "A day at the coast"
        assert (await client.http.get("/readyz")).status_code == 200
        assert (await client.http.get("/healthz")).status_code == 200
        durations.append(time.monotonic() - began)
        await asyncio.sleep(0.05)
    return durations


class Full(NamedTuple):
    """The number of refused changes; the slowest read; the seconds until a change and a render worked again."""

    refused: int
    slowest_read: float
    change: float
    render: float


class SmallDisk:
    """A small file system that is mounted at a folder."""

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "filler"

    def fill(self, _pid: int) -> None:
        """Write until it is full."""
        with self._filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self, _pid: int) -> None:
        """Make room."""
        self._filler.unlink()


class FileSizeLimit:
    """A limit on the size of files that a process may write, where no file system can be mounted."""

    def fill(self, pid: int) -> None:
        """Set the limit."""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))

    def free(self, pid: int) -> None:
        """Remove the limit."""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


Disk = SmallDisk | FileSizeLimit


async def full(folder: Path, *, mounts: bool = True) -> Full:
    """Fill the disk of database and media: changes are refused with STORAGE, and later everything works again."""
    with limited_disk(folder, mounts=mounts) as disk:
        server = serving(folder, max_attempts=1)
        await asyncio.to_thread(server.start)
        try:
            async with client_of(server) as client:
                outcome = await fill_and_free(client, server, disk)
            assert await asyncio.to_thread(server.stop) == 0
        finally:
            server.kill()
        media = [file for file in (folder / "media").rglob("*") if file.is_file()]
        assert media, "no clip was stored"
        assert not [file for file in media if file.suffix not in (".mp4", ".webp") or file.stat().st_size == 0]
        # The clips of takes, without the assembled videos.
        clips = [file for file in media if file.name.startswith("take_") and file.suffix == ".mp4"]
        assert len({file.stat().st_size for file in clips}) == 1, "half a clip was stored"
    return outcome


async def fill_and_free(client: Client, server: ServerProcess, disk: Disk) -> Full:
    """Use the server before, while and after the disk is full."""
    before = await jobs.make(client, jobs.scene(steps=2), start=True)
    assert await jobs.settled(client, before.id) == "COMPLETED"
    clip = (await jobs.job(client, before.id, "scenes { nodes { output { url } } }"))["scenes"]["nodes"][0]["output"]
    # This render ends while there is no room for its clip.
    during = await jobs.make(client, jobs.scene(steps=10, stepSeconds=0.1), start=True)
    disk.fill(server.pid)
    refused = await change_until_refused(client, before.id)
    slowest_read = max(await read_job_and_clip(client, before.id, clip["url"]))
    assert (await client.http.get("/healthz")).status_code == 200
    await asyncio.sleep(2.0)
    disk.free(server.pid)
    freed_at = time.monotonic()
    await eventually(lambda: accepted(client, before.id))
    changed_at = time.monotonic()
    after = await jobs.make(client, jobs.scene(steps=1), start=True)
    assert await jobs.settled(client, after.id) == "COMPLETED"
    rendered_at = time.monotonic()
    # The take failed with STORAGE, or its clip was stored after all.
    assert await jobs.settled(client, during.id) in ("COMPLETED", "FAILED")
    failure = (await jobs.job(client, during.id, "scenes { nodes { failure { code } } }"))["scenes"]["nodes"][0]
    assert failure["failure"] in (None, {"code": "STORAGE"})
    return Full(refused, slowest_read, changed_at - freed_at, rendered_at - freed_at)


async def change_until_refused(client: Client, job_id: str) -> int:
    """Change a job until five changes were refused; every refusal must have the code STORAGE."""
    refused, number = 0, 0
    while refused < 5:
        number += 1
        assert number < 2000, "the disk is not full"
        answer = await change(client, job_id, f"{number} {'x' * 190}")
        if "errors" in answer:
            (error,) = answer["errors"]
            assert error["extensions"] == {"code": "STORAGE"}, error
            assert error["message"] == "The database cannot store anything just now."
            refused += 1
    return refused


async def accepted(client: Client, job_id: str) -> bool:
    """Whether a change is accepted."""
    return "errors" not in await change(client, job_id, f"{time.monotonic()}")


async def change(client: Client, job_id: str, title: str) -> Json:
    """Send a change; return the whole answer."""
    return await client.result(UPDATE, input={"jobId": job_id, "title": title})


async def read_job_and_clip(client: Client, job_id: str, clip: str) -> list[float]:
    """Read a job and its clip several times; return how long each took."""
    durations: list[float] = []
    for _ in range(MIN_READS):
        began = time.monotonic()
        assert (await jobs.job(client, job_id, "status"))["status"] == "COMPLETED"
        assert (await client.http.get(clip[clip.index("/media/") :])).status_code == 200
        durations.append(time.monotonic() - began)
    return durations


@contextmanager
def limited_disk(folder: Path, *, mounts: bool) -> Generator[Disk]:
    """Mount a small file system where that is permitted; otherwise limit the size of files."""
    if mounts:
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([*MOUNT, str(folder)], check=True, capture_output=True)
            try:
                yield SmallDisk(folder)
            finally:
                subprocess.run(["umount", "--lazy", str(folder)], check=True)
            return
    yield FileSizeLimit()
