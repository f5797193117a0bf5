"""Starts the inspecting process and reads its result. A process that hangs or crashes costs its own file only."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from providers.clips.problems import UNREADABLE, BadClip
from providers.inspection import wire
from providers.port import Asset, Failure
from providers.render.child import Child

log = logging.getLogger(__name__)

PROGRAM = ("-m", "providers.inspection")
# Much longer than the processor time that the process has: it runs at a low priority beside the renders.
DEADLINE_SECONDS = 300.0


async def inspect(
    clip: Path,
    folder: Path,
    asked_seconds: float | None,
    *,
    program: Sequence[str] = PROGRAM,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> wire.Seen:
    """Look at a clip; its pictures are written into the folder. A cancellation kills the process.

    Raises BadClip when the clip cannot be shown, which includes that it makes the process hang or crash; Failure
    (INSPECTION_UNAVAILABLE) when the process cannot be started, was killed from outside or has no disk space, whatever
    the clip.
    """
    ticket = wire.Ticket(str(clip), str(folder), asked_seconds)
    seen = await _result(ticket, program, deadline_seconds)
    assert isinstance(seen, wire.Seen)  # noqa: S101 # what the process answers to this ticket
    return seen


async def examine(file: Path, folder: Path, work: Literal[wire.Work.IMAGE, wire.Work.SOUND]) -> wire.Found:
    """Look at a picture or at sound, as `inspect` does at a clip; a poster is written into the folder."""
    return await _found(wire.Ticket(str(file), str(folder), None, work))


async def take_picture(clip: Path, folder: Path, at_seconds: float | None) -> Asset:
    """Write the picture that a clip shows at a time, or its last one, into the folder as PNG.

    Raises as `inspect` does.
    """
    ticket = wire.Ticket(str(clip), str(folder), None, wire.Work.FRAME, at_seconds)
    return (await _found(ticket)).file


async def _found(ticket: wire.Ticket) -> wire.Found:
    found = await _result(ticket, PROGRAM, DEADLINE_SECONDS)
    assert isinstance(found, wire.Found)  # noqa: S101 # what the process answers to such tickets
    return found


async def _result(ticket: wire.Ticket, program: Sequence[str], deadline_seconds: float) -> wire.Seen | wire.Found:
    try:
        async with Child(f"inspection of {Path(ticket.clip).name}", program) as child:
            await child.write_line(ticket.line())
            line = await _line(child, deadline_seconds)
            if line is None:
                raise await _stopped(child)
            return wire.result(line)
    except wire.Unavailable as error:
        log.error("%s", error, extra={"action": "inspection.unavailable"})
        raise _unavailable(f"failed: {error}") from error
    except OSError as error:
        log.exception("cannot inspect a clip", extra={"action": "inspection.not_started"})
        raise _unavailable("cannot be started") from error


async def _line(child: Child, deadline_seconds: float) -> bytes | None:
    try:
        async with asyncio.timeout(deadline_seconds):
            return await child.read_line()
    except TimeoutError as error:
        log.error("%s hangs and is killed", child.name, extra={"action": "inspection.timed_out"})
        raise BadClip(UNREADABLE, f"could not be inspected within {deadline_seconds:g} seconds") from error


async def _stopped(child: Child) -> BadClip | Failure:
    status, errors = await child.wait()
    extra = {"action": "inspection.crashed", "status": status}
    log.error("the process of the %s ended with status %s:\n%s", child.name, status, errors, extra=extra)
    if status == -signal.SIGKILL:
        # Its own limits end it in other ways: this was an operator, or a system without memory.
        return _unavailable("was killed")
    if status > 0:
        # It reports every error once it has begun: its own files are damaged, or the system is out of something.
        return _unavailable("cannot begin")
    if status == -signal.SIGXCPU:
        return BadClip(UNREADABLE, "takes too much processor time to decode")
    return BadClip(UNREADABLE, "made the program that inspects it crash")


def _unavailable(what: str) -> Failure:
    return Failure("INSPECTION_UNAVAILABLE", f"The program that inspects clips {what}.", retryable=True)
