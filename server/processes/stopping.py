"""The signals that stop a process, and the end of a stop that takes too long."""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from typing import Any, NoReturn, cast

from coordinator.tasks import ignore_error

log = logging.getLogger("scenewire")

FORCED_STATUS = 1
# Time limit, in seconds, for tasks and threads that are left after a stop to end.
LEFT_SECONDS = 0.3
# Time limit, in seconds, for writing the log, which blocks on a pipe that is not read.
LOG_SECONDS = 0.5


def stop_signals() -> list[signal.Signals]:
    """Return the signals that stop a process; SIGHUP is not one of them where it is ignored, as under `nohup`."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    return [number for number in numbers if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]


async def end_what_is_left(seconds: float = LEFT_SECONDS) -> None:
    """End the process with status 0 if a task or a thread is left that does not stop; log each of them.

    To be called after everything was stopped: the event loop and the interpreter would wait for them without a limit.
    """
    stuck = [*await _late_tasks(seconds), *await _late_threads(seconds)]
    for name in stuck:
        log.warning("%s did not stop and is left behind", name, extra={"action": "stop.gave_up", "part": name})
    if stuck:
        _exit(0)


async def _late_tasks(seconds: float) -> list[str]:
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
        task.add_done_callback(ignore_error)
    if left:
        await asyncio.wait(left, timeout=seconds)
    return [f"task {task.get_name()}" for task in left if not task.done()]


async def _late_threads(seconds: float) -> list[str]:
    # Ends the idle ones of the pool of `asyncio.to_thread`.
    ending = asyncio.create_task(asyncio.get_running_loop().shutdown_default_executor())
    await asyncio.wait([ending], timeout=seconds)
    left = _other_threads()
    for thread in left:
        _end_worker(thread)
    for thread in left:
        # This blocks the event loop, which has nothing else left to do.
        thread.join(seconds)
    return [f"thread {thread.name}" for thread in left if thread.is_alive()]


def _end_worker(thread: threading.Thread) -> None:
    """End a thread in which AnyIO runs blocking functions, such as those of the frameworks that read files: at once, or
    after the function that it runs. AnyIO does so itself when the main task ends, which is still waiting here."""
    if hasattr(thread, "idle_workers"):
        cast("Any", thread).stop()


def _other_threads() -> list[threading.Thread]:
    """Return the threads for which the interpreter waits at its end."""
    main = threading.main_thread()
    return [each for each in threading.enumerate() if not each.daemon and each is not main]


def _exit(status: int) -> NoReturn:
    sys.stderr.flush()
    os._exit(status)


class ForcedEnd:
    """Ends the process `seconds` after `begin`, even if the event loop hangs, a task ignores its cancellation, or a
    thread does not end. The exit status is FORCED_STATUS.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun = False

    def begin(self) -> None:
        """Start the time. Idempotent; may be called by a signal handler."""
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._run, name="forced end", daemon=True).start()

    def _run(self) -> None:
        time.sleep(self._seconds)
        logging_thread = threading.Thread(target=self._log, name="log of the forced end", daemon=True)
        logging_thread.start()
        logging_thread.join(LOG_SECONDS)
        os._exit(FORCED_STATUS)

    def _log(self) -> None:
        for thread in _other_threads():
            log.error("thread %s did not stop", thread.name, extra={"action": "stop.gave_up", "part": thread.name})
        log.error("The stop is forced after %.0f s", self._seconds, extra={"action": "stop.forced"})
        sys.stderr.flush()
