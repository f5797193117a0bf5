"""Renders one clip: reads a ticket from standard input and writes JSON lines to standard output.

The program exits with the process that started it: that process keeps standard input open while it needs the clip, and
the system closes it when that process dies, even by SIGKILL.
"""

import sys

from providers.port import Progress
from providers.render import fonts, studio, tether, wire


def main() -> None:
    """Render the ticket in the first line of standard input."""
    tether.ignore_signals()
    ticket = wire.ticket(sys.stdin.buffer.readline())
    tether.exit_with_parent()
    for step in studio.render(ticket, fonts.installed()):
        line = wire.progress_line(step) if isinstance(step, Progress) else wire.rendered_line(step)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
