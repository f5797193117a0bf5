"""Looks at one file: reads a ticket from standard input and writes one line of JSON to standard output.

The file may be hostile, so memory and processor time of this process are limited before it is opened.
"""

import sys
import traceback
from pathlib import Path

from providers.clips import limits
from providers.clips.problems import TOO_LARGE, UNREADABLE, BadClip
from providers.inspection import frames, look, sounds, stills, wire
from providers.render import tether

# Decoding the most pictures that are decoded takes about a fifth of this.
CPU_SECONDS = 60.0


def main() -> None:
    """Look at the file of the ticket in the first line of standard input."""
    tether.ignore_signals()
    ticket = wire.ticket(sys.stdin.buffer.readline())
    limits.confine(cpu_seconds=CPU_SECONDS)
    tether.exit_with_parent()
    sys.stdout.write(_line(ticket) + "\n")
    sys.stdout.flush()


def _line(ticket: wire.Ticket) -> str:
    try:
        return _done(ticket, Path(ticket.clip), Path(ticket.folder))
    except BadClip as bad:
        return wire.bad_line(bad)
    except MemoryError:
        return wire.bad_line(BadClip(TOO_LARGE, "needs more memory than a clip may take"))
    except OSError as error:
        # Errors of FFmpeg with the clip are BadClip: this one is of our own files, such as a full disk.
        return wire.unavailable_line(error.strerror or type(error).__name__)
    except Exception:
        traceback.print_exc()
        return wire.bad_line(BadClip(UNREADABLE, "made the program that inspects it fail"))


def _done(ticket: wire.Ticket, path: Path, folder: Path) -> str:
    match wire.Work(ticket.work):
        case wire.Work.CLIP:
            return wire.seen_line(look.look(path, folder, ticket.asked_seconds))
        case wire.Work.IMAGE:
            return wire.found_line(stills.look(path, folder))
        case wire.Work.SOUND:
            return wire.found_line(sounds.look(path))
        case wire.Work.FRAME:
            return wire.found_line(wire.Found(frames.take(path, folder, ticket.at_seconds)))


if __name__ == "__main__":
    main()
