"""The signals that stop a process, and the end of a stop that takes too long."""

import logging
import os
import signal
import sys
import threading
import time

log = logging.getLogger("scenewire")

FORCED_STATUS = 1
# How long the log may take to be written; a pipe that is not read blocks it.
LOG_SECONDS = 0.5


def stop_signals() -> list[signal.Signals]:
    """Return the signals that stop a process; SIGHUP is not one of them where it is ignored, as under `nohup`."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    return [number for number in numbers if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]


class ForcedEnd:
    """Ends the process `seconds` after `begin`, whatever hangs: the event loop, a task that ignores its cancellation,
    or a thread, which no process can stop.
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
        stuck = [each for each in threading.enumerate() if not each.daemon and each is not threading.main_thread()]
        for thread in stuck:
            log.error("thread %s did not stop", thread.name, extra={"action": "stop.gave_up", "part": thread.name})
        log.error("The stop is forced after %.0f s", self._seconds, extra={"action": "stop.forced"})
        sys.stderr.flush()
