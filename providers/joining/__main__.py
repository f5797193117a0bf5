"""Joins clips: reads a ticket from standard input and writes one line of JSON to standard output."""

import sys
from pathlib import Path

from av.error import FFmpegError

from providers.joining import video, wire
from providers.joining.sources import NO_ROOM, UnreadableClip
from providers.render import tether


def main() -> None:
    """Join the clips of the ticket in the first line of standard input."""
    tether.ignore_signals()
    ticket = wire.ticket(sys.stdin.buffer.readline())
    tether.exit_with_parent()
    sys.stdout.write(_joined(ticket) + "\n")
    sys.stdout.flush()


def _joined(ticket: wire.Ticket) -> str:
    try:
        return wire.joined_line(video.join(ticket.clips, Path(ticket.target)))
    except UnreadableClip as unreadable:
        return wire.unreadable_line(unreadable.number)
    except (OSError, FFmpegError) as error:
        if error.errno in NO_ROOM:
            return wire.no_room_line()
        raise


if __name__ == "__main__":
    main()
