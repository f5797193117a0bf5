"""The server's end of a rendering process: started, listened to, and never left behind."""

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
TAIL_BYTES = 4096
TAIL_LINES = 12


class Child:
    """A process of this interpreter, held by `async with`; leaving kills and reaps it.

    What it says on standard error goes to an unnamed file rather than a pipe: a pipe nobody reads would block it.
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
                env={**os.environ, **KEEP_MEMORY},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._errors,
                limit=LINE_BYTES,
            )
        except BaseException:
            self._errors.close()
            raise
        self._step_back()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        try:
            await self._reap()
        finally:
            self._errors.close()

    def _step_back(self) -> None:
        # From outside and at once: before its first line runs, the interpreter has imported for 0.2 s.
        if hasattr(os, "setpriority"):
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._running.pid, NICENESS)

    async def tell(self, line: bytes) -> None:
        """Hand a line to the process and keep its standard input open, by which it knows that it is wanted."""
        stdin = self._running.stdin
        assert stdin is not None  # noqa: S101 - it was asked for above
        with suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(line)
            await stdin.drain()

    async def hear(self) -> bytes | None:
        """Wait for the next whole line; None when the process will say no more."""
        line = await self._stdout.readline()
        return line if line.endswith(b"\n") else None

    def kill(self) -> None:
        """End the process at once; harmless when it has ended."""
        with suppress(ProcessLookupError):
            self._running.kill()

    async def ended(self) -> tuple[int, str]:
        """Wait for the end; return the exit status and the last lines of standard error."""
        status = await self._reap()
        size = self._errors.seek(0, 2)
        self._errors.seek(max(0, size - TAIL_BYTES))
        lines = self._errors.read().decode(errors="replace").splitlines()
        return status, "\n".join(lines[-TAIL_LINES:])

    async def _reap(self) -> int:
        # Until the pipe has been read to its end, wait() may never return (CPython before 3.12.4).
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
        assert stdout is not None  # noqa: S101 - it was asked for above
        return stdout
