"""Errors that must not replace the cancellation of a task."""

import asyncio


def raise_if_cancelled(cause: BaseException | None = None) -> None:
    """Raise CancelledError if the current task is being cancelled.

    To be called where an error is handled and a loop goes on: cleaning up after a cancellation may have raised it.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from cause
