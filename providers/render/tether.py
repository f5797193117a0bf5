"""What keeps a child process from outliving its server, and out of the server's business."""

import os
import signal
from threading import Thread


def ignore_signals() -> None:
    """Leave signals that are meant for the server to it: Ctrl+C and service managers reach the whole group."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def end_with_starter() -> None:
    """Call when the ticket was read: the process ends when its standard input does."""
    Thread(target=_await_end, daemon=True).start()


def _await_end() -> None:
    # Not sys.stdin: a thread that waits inside its lock would crash the interpreter's own end.
    while os.read(0, 1):
        pass
    os._exit(1)
