"""Running `python -m server` to its end."""

import asyncio
import os
import sys
from typing import NamedTuple

from tests.support.server_process import ROOT
from tests.support.waiting import TIMEOUT_SECONDS


class Ended(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


async def run(*arguments: str, **settings: object) -> Ended:
    """A command to its end, with these settings and no others."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SCENEWIRE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server",
        *arguments,
        cwd=ROOT,
        env=clean | {f"SCENEWIRE_{name.upper()}": str(value) for name, value in settings.items()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(TIMEOUT_SECONDS):
        out, err = await process.communicate()
        status = await process.wait()
    return Ended(status, out.decode(), err.decode())
