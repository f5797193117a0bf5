"""Ties a child process to its parent: it exits with it, and leaves signals to it."""

import os
import signal
from threading import Thread


def ignore_signals() -> None:
    """Ignore signals that are meant for the parent: Ctrl+C and service managers send them to the process group."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def exit_with_parent() -> None:
    """Exit when standard input is closed. Call it after the ticket was read."""
    Thread(target=_await_end, daemon=True).start()


def _await_end() -> None:
    # Not sys.stdin: a thread that waits inside its lock would crash the interpreter at exit.
    while os.read(0, 1):
        pass
    os._exit(1)
