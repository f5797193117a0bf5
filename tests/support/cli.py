"""Commands of `python -m server` in processes of their own."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.support.waiting import TIMEOUT_SECONDS
from tests.support.warm_start import ROOT, environment_with, has_warm_start, warm_start


class Ended(NamedTuple):
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str


@asynccontextmanager
async def command(
    *arguments: str, color: bool = False, **settings: object
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run `python -m server` with these settings and no others; it is killed at the end of the block.

    `color` lets it write to the pipe as to a terminal, so that progress bars can be read.
    """
    environment = _environment(settings) | ({"FORCE_COLOR": "1"} if color else {})
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server",
        *arguments,
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        # Until the pipes are read to their end, wait() may never return (CPython before 3.12.4).
        await process.communicate()


async def run(*arguments: str, **settings: object) -> Ended:
    """Run a command until it exits."""
    environment = _environment(settings)
    if not has_warm_start(ROOT, environment):
        async with command(*arguments, color=False, **settings) as process, asyncio.timeout(TIMEOUT_SECONDS):
            out, err = await process.communicate()
            return Ended(await process.wait(), out.decode(), err.decode())
    return await asyncio.to_thread(_run_warm, arguments, environment)


def _environment(settings: Mapping[str, object]) -> dict[str, str]:
    return environment_with(settings) | {"COLUMNS": "200"}


def _run_warm(arguments: Sequence[str], environment: Mapping[str, str]) -> Ended:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        files = (out.fileno(), err.fileno())
        process = warm_start.run("server", *arguments, cwd=ROOT, environment=environment, output=files)
        try:
            status = process.wait(TIMEOUT_SECONDS)
        finally:
            process.kill()
        texts: list[str] = []
        for each in (out, err):
            each.seek(0)
            texts.append(each.read().decode())
        return Ended(status, *texts)


async def seen(process: asyncio.subprocess.Process, text: str) -> None:
    """Wait until the command has written this text."""
    assert process.stdout is not None
    written = ""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while text not in written:
            chunk = await process.stdout.read(4096)
            assert chunk, f"the command ended after {written!r}"
            written += chunk.decode(errors="replace")
