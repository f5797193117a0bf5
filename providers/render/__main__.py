"""Renders one clip: reads a ticket from standard input and writes JSON lines to standard output.

The program exits with the process that started it: that process keeps standard input open while it needs the clip, and
the system closes it when that process dies, even by SIGKILL.
"""

import sys
from collections.abc import Iterator

from providers.clips import limits
from providers.port import Failure, Progress
from providers.render import studio, tether, wire
from providers.render.lettering import fonts

# Much more than the longest and largest clip takes, so that only a process that has gone wild is ended.
CPU_SECONDS = 3600.0


def main() -> None:
    """Render the ticket in the first line of standard input."""
    tether.ignore_signals()
    ticket = wire.ticket(sys.stdin.buffer.readline())
    if ticket.pictures:
        # They may be hostile.
        limits.confine(cpu_seconds=CPU_SECONDS)
    tether.exit_with_parent()
    for line in _lines(ticket):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _lines(ticket: wire.Ticket) -> Iterator[str]:
    try:
        for step in studio.render(ticket, fonts.installed()):
            yield wire.progress_line(step) if isinstance(step, Progress) else wire.rendered_line(step)
    except Failure as failure:
        yield wire.failure_line(failure)


if __name__ == "__main__":
    main()
