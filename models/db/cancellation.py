"""Cancellation of tasks: work that must not be interrupted, and errors that must not replace a cancellation."""

import asyncio
from collections.abc import Coroutine
from functools import partial


def raise_if_cancelled(cause: BaseException | None = None) -> None:
    """Raise CancelledError if the current task is being cancelled.

    To be called where an error is handled and the task goes on: the error may come from cleaning up after a
    cancellation, and then it has replaced it. A task that ignores a cancellation never ends, and code that awaits the
    task never continues.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from cause


async def shield_to_completion(work: Coroutine[None, None, None]) -> None:
    """Await `work` to its end even when the caller is cancelled meanwhile, and raise the cancellation after it.

    For work that must not be interrupted: publishing a hint after a commit, returning a connection to the pool.
    """
    task = asyncio.ensure_future(work)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        # As `asyncio.wait` does, in a third of its time.
        ended: asyncio.Future[None] = task.get_loop().create_future()
        task.add_done_callback(partial(_resolve, ended))
        try:
            await ended
        except asyncio.CancelledError as error:  # cancellation: raised after the work
            # A scope that is being left cancels repeatedly.
            cancellation = error
    failure = None if task.cancelled() else task.exception()
    if cancellation is not None:
        raise cancellation from failure
    task.result()


def _resolve(future: asyncio.Future[None], _task: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
