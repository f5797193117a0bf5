"""The parent's side of a child process: starts it, reads its output, and kills and reaps it."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

PROJECT_ROOT = Path(__file__).parents[2]
# A line holds a small image as base64; asyncio's own limit of 64 KiB is close to that.
LINE_BYTES = 1 << 20
NICENESS = 15
# glibc returns each frame's memory to the system and has it zeroed again: 0.2 s of CPU in a 5 s clip at 1280x720.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 26), "MALLOC_TRIM_THRESHOLD_": str(1 << 28)}
# SVT-AV1 describes itself on standard error at each start, unless configured to write errors only.
QUIET = {"SVT_LOG": "1"}
TAIL_BYTES = 4096
TAIL_LINES = 12


class Child:
    """A process of this interpreter, used by `async with`; leaving kills and reaps it.

    Its standard error is an unnamed file and not a pipe: a full pipe that is not read would block it.
    """

    def __init__(self, name: str, program: Sequence[str]) -> None:
        self.name = name
        self._program = program
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._program,
                cwd=PROJECT_ROOT,
                env={**os.environ, **KEEP_MEMORY, **QUIET},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._errors,
                limit=LINE_BYTES,
            )
        except BaseException:
            self._errors.close()
            raise
        self._lower_priority()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        reaping = asyncio.create_task(self._reap())
        try:
            await asyncio.shield(reaping)
        finally:
            # Even if it is cancelled again meanwhile: a process that is not reaped outlives its event loop.
            try:
                await asyncio.wait({reaping})
            finally:
                self._errors.close()

    def _lower_priority(self) -> None:
        # From the parent: the child spends 0.2 s on imports before it could do so itself.
        if hasattr(os, "setpriority"):
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._running.pid, NICENESS)

    async def write_line(self, line: bytes) -> None:
        """Write a line to its standard input, which stays open: the process exits when it is closed."""
        stdin = self._running.stdin
        assert stdin is not None  # noqa: S101 - a pipe, see above
        with suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(line)
            await stdin.drain()

    async def read_line(self) -> bytes | None:
        """Return the next complete line of its standard output; None at the end."""
        line = await self._stdout.readline()
        return line if line.endswith(b"\n") else None

    def kill(self) -> None:
        """Kill the process. Idempotent."""
        with suppress(ProcessLookupError):
            self._running.kill()

    async def wait(self) -> tuple[int, str]:
        """Wait for its exit; return the exit status and the last lines of standard error."""
        status = await self._reap()
        size = self._errors.seek(0, 2)
        self._errors.seek(max(0, size - TAIL_BYTES))
        lines = self._errors.read().decode(errors="replace").splitlines()
        return status, "\n".join(lines[-TAIL_LINES:])

    async def _reap(self) -> int:
        # wait() may never return before the pipe was read to its end (CPython before 3.12.4).
        while await self._stdout.read(LINE_BYTES):
            pass
        return await self._running.wait()

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    @property
    def _stdout(self) -> asyncio.StreamReader:
        stdout = self._running.stdout
        assert stdout is not None  # noqa: S101 - a pipe, see above
        return stdout
