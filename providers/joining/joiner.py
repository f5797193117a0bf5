"""Starts the joining process and reads its result."""

import logging
from collections.abc import Sequence
from pathlib import Path

from providers.joining import wire
from providers.joining.wire import Clip
from providers.port import Asset, Failure
from providers.render.child import Child

log = logging.getLogger(__name__)

PROGRAM = ("-m", "providers.joining")


async def join(clips: Sequence[Clip], folder: Path, *, program: Sequence[str] = PROGRAM) -> Asset:
    """Join the clips into an MP4 file in the folder. Raises Failure. A cancellation kills the process."""
    target = folder / "joined.mp4"
    try:
        async with Child(f"join of {len(clips)} clips", program) as child:
            await child.write_line(wire.Ticket(clips, str(target)).line())
            line = await child.read_line()
            if line is None:
                raise await _crashed(child)
            return wire.result(line, target)
    except OSError as error:
        log.exception("cannot join", extra={"action": "join.not_started"})
        raise Failure("JOIN_UNAVAILABLE", "The program that joins clips cannot be started.", retryable=True) from error


async def _crashed(child: Child) -> Failure:
    status, errors = await child.wait()
    log.error("the joining process ended with status %s:\n%s", status, errors, extra={"action": "join.crashed"})
    return Failure("JOIN_CRASHED", "Joining the clips stopped unexpectedly.", retryable=True)
