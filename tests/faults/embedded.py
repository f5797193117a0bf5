"""SQLite under harm: its file is locked by another process, and its disk is full."""

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

# What a read may take while somebody else holds the lock, or the disk is full.
READ_SECONDS = 1.0
# How soon everything works again afterwards.
AGAIN_SECONDS = 5.0
FILE = "scenewire.db"
MOUNT = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs"]
UPDATE = """mutation($input: UpdateJobInput!) {
    updateJob(input: $input) { job { version } errors { code } }
}"""


class Locked(NamedTuple):
    """The slowest read while the lock was held, the slowest change after it, in seconds; and how many reads."""

    slowest_read: float
    slowest_change: float
    reads: int


async def locked(folder: Path, seconds: float) -> Locked:
    """Hold the write lock from another process; changes wait for it, and nothing else does."""
    server = serving(folder)
    await asyncio.to_thread(server.start)
    try:
        async with client_of(server) as client:
            running = await jobs.make(client, jobs.scene(steps=20, stepSeconds=0.1), start=True)
            made = [await jobs.make(client, provider="external") for _ in range(10)]
            async with client.subscribe(VERSIONS, id=made[0].id) as stream:
                await stream.next()
                with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as other:
                    other.execute("BEGIN IMMEDIATE")
                    changes = [asyncio.create_task(jobs.retitle(client, each.id, "Waited")) for each in made]
                    read = await reads(client, made[0].id, seconds)
                    assert not any(change.done() for change in changes), "a change was made in spite of the lock"
                    other.execute("ROLLBACK")
                released_at = time.monotonic()
                await asyncio.gather(*changes)
                slowest_change = time.monotonic() - released_at
                assert (await stream.next())["jobEvents"]["version"] == made[0].version + 1
            assert await jobs.settled(client, running.id) == "COMPLETED"
        assert await asyncio.to_thread(server.stop) == 0
    finally:
        server.kill()
    assert max(read) <= READ_SECONDS, f"a read took {max(read):.1f} s"
    assert slowest_change <= AGAIN_SECONDS, f"a change took {slowest_change:.1f} s more"
    return Locked(max(read), slowest_change, len(read))


def serving(folder: Path, **settings: Any) -> ServerProcess:
    """A server in one process."""
    database_url = f"sqlite+aiosqlite:///{folder / FILE}"
    return ServerProcess(folder, database_url=database_url, provider="scripted", **settings)


async def reads(client: Client, job_id: str, seconds: float) -> list[float]:
    """Read and probe for a while; answers how long each took."""
    took: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        assert (await jobs.job(client, job_id, "title scenes { nodes { id status } }"))["title"] == "A day at the coast"
        assert (await client.http.get("/readyz")).status_code == 200
        assert (await client.http.get("/healthz")).status_code == 200
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.05)
    return took


class Full(NamedTuple):
    """How many changes were refused, and how soon a change and a render worked again, in seconds."""

    refused: int
    change_again: float
    render_again: float


class Mounted:
    """A small disk at a folder."""

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "filler"

    def fill(self, _pid: int) -> None:
        """Write until nothing fits any more."""
        with self._filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self, _pid: int) -> None:
        """Make room again."""
        self._filler.unlink()


class Forbidden:
    """In place of a disk: no file of a process may become longer."""

    def fill(self, pid: int) -> None:
        """Forbid it."""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))

    def free(self, pid: int) -> None:
        """Allow it."""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


Disk = Mounted | Forbidden


async def full(folder: Path) -> Full:
    """Fill the disk with database and media on it; what is refused says so, and later it all works again."""
    with small_disk(folder) as disk:
        server = serving(folder, max_attempts=1)
        await asyncio.to_thread(server.start)
        try:
            async with client_of(server) as client:
                outcome = await filled(client, server, disk)
            assert await asyncio.to_thread(server.stop) == 0
        finally:
            server.kill()
        media = [file for file in (folder / "media").rglob("*") if file.is_file()]
        assert media, "no clip was kept"
        assert not [file for file in media if file.suffix not in (".mp4", ".webp") or file.stat().st_size == 0]
        # Of the takes, not of what was joined of them.
        clips = [file for file in media if file.name.startswith("take_") and file.suffix == ".mp4"]
        assert len({file.stat().st_size for file in clips}) == 1, "half a clip was kept"
    assert outcome.change_again <= AGAIN_SECONDS
    assert outcome.render_again <= AGAIN_SECONDS
    return outcome


async def filled(client: Client, server: ServerProcess, disk: Disk) -> Full:
    """Before, while and after the disk is full."""
    before = await jobs.make(client, jobs.scene(steps=2), start=True)
    assert await jobs.settled(client, before.id) == "COMPLETED"
    clip = (await jobs.job(client, before.id, "scenes { nodes { output { url } } }"))["scenes"]["nodes"][0]["output"]
    # It ends when there is no room for its clip.
    during = await jobs.make(client, jobs.scene(steps=10, stepSeconds=0.1), start=True)
    disk.fill(server.pid)
    refused = await refuse(client, before.id)
    assert max(await reads_of(client, before.id, clip["url"])) <= READ_SECONDS
    assert (await client.http.get("/healthz")).status_code == 200
    await asyncio.sleep(2.0)
    disk.free(server.pid)
    freed_at = time.monotonic()
    await eventually(lambda: accepted(client, before.id), AGAIN_SECONDS)
    change_again = time.monotonic() - freed_at
    after = await jobs.make(client, jobs.scene(steps=1), start=True)
    assert await jobs.settled(client, after.id) == "COMPLETED"
    render_again = time.monotonic() - freed_at
    # Its take failed with STORAGE, or found room in the end.
    assert await jobs.settled(client, during.id) in ("COMPLETED", "FAILED")
    failure = (await jobs.job(client, during.id, "scenes { nodes { failure { code } } }"))["scenes"]["nodes"][0]
    assert failure["failure"] in (None, {"code": "STORAGE"})
    return Full(refused, change_again, render_again)


async def refuse(client: Client, job_id: str) -> int:
    """Change until it is refused for want of room, and some more; every refusal must say so and nothing else."""
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
    """Make a change, or be refused."""
    return await client.result(UPDATE, input={"jobId": job_id, "title": title})


async def reads_of(client: Client, job_id: str, clip: str) -> list[float]:
    """Read the job and its clip; answers how long that took."""
    took: list[float] = []
    for _ in range(5):
        began = time.monotonic()
        assert (await jobs.job(client, job_id, "status"))["status"] == "COMPLETED"
        assert (await client.http.get(clip[clip.index("/media/") :])).status_code == 200
        took.append(time.monotonic() - began)
    return took


@contextmanager
def small_disk(folder: Path) -> Generator[Disk]:
    """A disk of its own where that may be mounted; elsewhere the process is forbidden to make files any longer."""
    with suppress(OSError, subprocess.CalledProcessError):
        subprocess.run([*MOUNT, str(folder)], check=True, capture_output=True)
        try:
            yield Mounted(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        return
    yield Forbidden()
