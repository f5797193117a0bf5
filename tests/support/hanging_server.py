"""A server with parts that hang: `HANGS=provider,thread,loop python -m tests.support.hanging_server serve`.

provider: its cancel and its close never end, and ignore their cancellation.
thread: storing a clip blocks a thread.
loop: a cancel of the provider blocks the event loop.
"""

import asyncio
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from coordinator.storage import media
from providers.scripted import ScriptedProvider
from server.cli import app

FOREVER_SECONDS = 3_600


async def ignore_cancellation(*_: object) -> None:
    """Never end."""
    sys.stderr.write("hangs: provider\n")
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(FOREVER_SECONDS)


async def block_loop(*_: object) -> None:
    """Never give the event loop back."""
    sys.stderr.write("hangs: loop\n")
    time.sleep(FOREVER_SECONDS)  # noqa: ASYNC251 # on purpose


def block_thread(_source: Path, _target: Path, _root: Path) -> None:
    """Never end the thread."""
    sys.stderr.write("hangs: thread\n")
    time.sleep(FOREVER_SECONDS)


if __name__ == "__main__":
    hangs = os.environ["HANGS"].split(",")
    replaced = {
        "provider": (
            (ScriptedProvider, "cancel", ignore_cancellation),
            (ScriptedProvider, "close", ignore_cancellation),
        ),
        "loop": ((ScriptedProvider, "cancel", block_loop),),
        # Where a network file system would block.
        "thread": ((media, "copy_durably", block_thread),),
    }
    for hang in hangs:
        for owner, name, replacement in replaced[hang]:
            setattr(owner, name, replacement)
    app()
