"""Joins clips: reads a ticket from standard input and writes one line of JSON to standard output."""

import sys
from pathlib import Path

from av.error import FFmpegError

from providers.clips import limits
from providers.joining import video, wire
from providers.joining.sources import NO_ROOM, UnusableClip
from providers.render import tether

# The CPU time, in seconds, for looking at a clip, for each second that was planned, and for everything else. Looking at
# the clips takes no longer than joining them may, or clips that are hard to read would delay other videos.
LOOKING_CPU_SECONDS = 5.0
CPU_FACTOR = 10.0
SPARE_CPU_SECONDS = 60.0


def main() -> None:
    """Join the clips of the ticket in the first line of standard input."""
    tether.ignore_signals()
    ticket = wire.ticket(sys.stdin.buffer.readline())
    tether.exit_with_parent()
    looking = SPARE_CPU_SECONDS + min(LOOKING_CPU_SECONDS * len(ticket.clips), ticket.most_cpu_seconds)
    limits.confine(cpu_seconds=looking)
    sys.stdout.write(wire.result_line(_result(ticket, looking)) + "\n")
    sys.stdout.flush()


def _result(ticket: wire.Ticket, looking: float) -> wire.Result:
    try:
        plan = video.plan(ticket.clips, ticket.codec)
        if plan.cpu_seconds > ticket.most_cpu_seconds:
            return wire.TooCostly(plan.cpu_seconds)
        limits.confine(cpu_seconds=looking + SPARE_CPU_SECONDS + CPU_FACTOR * plan.cpu_seconds)
        return video.join(plan, Path(ticket.target))
    except UnusableClip as clip:
        return wire.Refused(clip.number, clip.code, clip.reason)
    except MemoryError:
        return wire.NoMemory()
    except (OSError, FFmpegError) as error:
        if error.errno in NO_ROOM:
            return wire.NoRoom()
        raise


if __name__ == "__main__":
    main()
