"""One server per SQLite file, and the messages of a server that cannot start or is asked to stop."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import cli
from tests.support.failing_flush import NOT_PERMITTED
from tests.support.os_processes import on_linux
from tests.support.server_process import ROOT, ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS, eventually

SECRET = "0123456789abcdef" * 2


def settings(folder: Path, file: str = "test.db") -> dict[str, Any]:
    """The settings of a server with its data in this folder."""
    return {
        "database_url": f"sqlite+aiosqlite:///{folder / file}",
        "media_url": folder / "media",
        "port": 0,
        "provider": "scripted",
        "auth_secret": SECRET,
    }


async def refusal_of_server(**settings: Any) -> str:
    """Start a server that must exit with status 2, and return the one line that it writes."""
    async with cli.command("serve", **settings) as process, asyncio.timeout(TIMEOUT_SECONDS):
        assert process.stderr is not None
        # A server that starts writes another line, and runs until the end of the block.
        line = (await process.stderr.readline()).decode()
        assert line.startswith("scenewire: SCENEWIRE_DATABASE_URL: another server "), line
        out, err = await process.communicate()
        assert (process.returncode, out, err) == (2, b"", b"")
    return line


@pytest.mark.usefixtures("sighup_not_ignored")
async def test_second_server_on_an_sqlite_file_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    """One line names the process of the first one, also for another name of the file; commands still open it."""
    server = ServerProcess(tmp_path, **settings(tmp_path))
    await asyncio.to_thread(server.start)
    try:
        (tmp_path / "other.db").symlink_to(tmp_path / "test.db")
        refusal, revoked = await asyncio.gather(
            refusal_of_server(**settings(tmp_path, "other.db")), cli.run("revoke", "--sub", "ann", **settings(tmp_path))
        )
        assert f"(process {server.pid})" in refusal
        assert (revoked.status, revoked.err) == (0, "")
        async with httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/readyz")).status_code == 200
        server.kill()
        # The lock ended with the process, although its file is still there.
        assert (tmp_path / "test.db.lock").exists()
        await asyncio.to_thread(server.start)
        # SIGHUP, the end of its terminal, stops it like SIGTERM.
        assert await asyncio.to_thread(server.stop, signal.SIGHUP) == 0
    finally:
        server.kill()


@on_linux
@pytest.mark.parametrize("system_call", ["fsync", "fdatasync"])
async def test_failed_flush_at_the_start_is_reported_in_one_line(tmp_path: Path, system_call: str) -> None:
    """Exit status 2, because an operator has to check the disk. SQLite itself calls fdatasync."""
    command = [sys.executable, "-m", "tests.support.failing_flush", system_call, "serve"]
    environment = ServerProcess(tmp_path, **settings(tmp_path)).environment
    started = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if started.returncode == NOT_PERMITTED:
        pytest.skip("filters of system calls are not permitted here")
    assert (started.returncode, len(started.stderr.splitlines())) == (2, 1), started.stderr
    assert started.stderr.startswith("scenewire: SCENEWIRE_DATABASE_URL: ")
    assert any(words in started.stderr for words in ("Input/output error", "disk I/O error"))


@on_linux
async def test_server_goes_on_after_an_ignored_hangup(tmp_path: Path) -> None:
    """`nohup` lets its processes ignore SIGHUP."""
    server = ServerProcess(tmp_path, warm=False, **settings(tmp_path))
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        await asyncio.to_thread(server.start)
    finally:
        signal.signal(signal.SIGHUP, previous)
    try:
        server.send(signal.SIGHUP)
        async with httpx.AsyncClient(base_url=server.url) as client:
            await eventually(lambda: not signals_pending(server.pid))
            assert (await client.get("/healthz")).status_code == 200
        assert await asyncio.to_thread(server.stop) == 0
    finally:
        server.kill()


def signals_pending(pid: int) -> bool:
    """Whether a signal was sent to the process and is not delivered yet (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return any(int(line.split()[1], 16) for line in status if line.startswith("ShdPnd"))
