"""Renders one clip: reads a ticket from standard input, writes JSON lines to standard output.

The program lives no longer than whoever started it: the other end of its standard input is held open for as long as the
clip is wanted, and closes by itself when that process dies, even by SIGKILL.
"""

import os
import signal
import sys
from threading import Thread

from providers.port import Progress
from providers.render import fonts, studio, wire


def main() -> None:
    """Render the ticket that comes as the first line of standard input."""
    _ignore_signals()
    ticket = wire.ticket(sys.stdin.buffer.readline())
    Thread(target=_end_with_starter, daemon=True).start()
    for step in studio.render(ticket, fonts.installed()):
        line = wire.progress_line(step) if isinstance(step, Progress) else wire.rendered_line(step)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _ignore_signals() -> None:
    """Leave signals that are meant for the server to it: Ctrl+C and service managers reach the whole group."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _end_with_starter() -> None:
    # Not sys.stdin: a thread that waits inside its lock would crash the interpreter's own end.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
