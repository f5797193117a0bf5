"""Renders one clip: reads a ticket from standard input, writes JSON lines to standard output.

The program lives no longer than whoever started it: the other end of its standard input is held open for as long as the
clip is wanted, and closes by itself when that process dies, even by SIGKILL.
"""

import sys

from providers.port import Progress
from providers.render import fonts, studio, tether, wire


def main() -> None:
    """Render the ticket that comes as the first line of standard input."""
    tether.ignore_signals()
    ticket = wire.ticket(sys.stdin.buffer.readline())
    tether.end_with_starter()
    for step in studio.render(ticket, fonts.installed()):
        line = wire.progress_line(step) if isinstance(step, Progress) else wire.rendered_line(step)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
