"""What a check has found, and how checks are written."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple, TypeVar

from server.settings import Settings

T = TypeVar("T")


class State(StrEnum):
    """The state of one thing that was looked at; FAIL means that the server does not start, or cannot do its work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


class Finding(NamedTuple):
    """What was looked at, what was found, and what to do about it; nothing when it is well."""

    check: str
    state: State
    found: str
    todo: str = ""


Findings = AsyncGenerator[Finding, None]


class Check(NamedTuple):
    """A check, which yields what it finds as it goes on: what was found before an error or a timeout is kept."""

    name: str
    run: Callable[[Settings], Findings]


async def apart(work: Callable[[], T]) -> T:
    """Return what `work` returns, in a thread of its own that nothing waits for once this is cancelled.

    A file system that does not answer blocks its thread for ever; the end of the program would wait for one of a pool.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # pyright: ignore[reportArgumentType] - it is a T without an error

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except Exception as error:  # cancellation: this is no task
            failure = error
        with suppress(RuntimeError):  # The loop is closed.
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, daemon=True).start()
    return await future
