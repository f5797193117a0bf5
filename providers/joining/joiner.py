"""Starts the joining process and reads its result."""

import logging
import math
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from providers.clips.encoding import VideoCodec
from providers.joining import wire
from providers.joining.wire import Adjustment, Clip
from providers.port import Asset, Failure
from providers.render.child import Child

log = logging.getLogger(__name__)

PROGRAM = ("-m", "providers.joining")


@dataclass(frozen=True, slots=True)
class JoinedVideo(Asset):
    """A joined video, and what was done to its clips."""

    adjustments: Sequence[Adjustment] = ()


class TooCostly(Exception):
    """The join needs more CPU seconds than it may: it was not begun, or it was stopped."""


async def join(
    clips: Sequence[Clip],
    folder: Path,
    most_cpu_seconds: float = math.inf,
    *,
    codec: VideoCodec = VideoCodec.H264,
    program: Sequence[str] = PROGRAM,
) -> JoinedVideo:
    """Join the clips into an MP4 file in the folder; `codec` is that of pictures that cannot be copied.

    Raises Failure, TooCostly. A cancellation kills the process.
    """
    target = folder / "joined.mp4"
    try:
        async with Child(f"join of {len(clips)} clips", program) as child:
            await child.write_line(wire.Ticket(clips, str(target), most_cpu_seconds, codec).line())
            line = await child.read_line()
            if line is None:
                raise await _crashed(child, most_cpu_seconds)
    except OSError as error:
        log.exception("cannot join", extra={"action": "join.not_started"})
        raise Failure("JOIN_UNAVAILABLE", "The program that joins clips cannot be started.", retryable=True) from error
    return _video(wire.result(line), target)


def _video(result: wire.Result, target: Path) -> JoinedVideo:
    """Return the joined video. Raises Failure and TooCostly."""
    match result:
        case wire.Joined():
            size = result.width, result.height
            return JoinedVideo(target, wire.CONTENT_TYPE, *size, result.seconds, result.adjustments)
        case wire.Refused():
            text = f"The clip of scene {result.clip} {result.reason}; regenerate it or choose another take."
            raise Failure(result.code, text, retryable=False)
        case wire.TooCostly():
            raise TooCostly(f"{result.cpu_seconds:.0f} CPU seconds are expected")
        case wire.NoMemory():
            raise Failure("JOIN_TOO_LARGE", "Joining the clips needs more memory than it may take.", retryable=False)
        case wire.NoRoom():
            raise Failure("NO_ROOM", "There was no disk space to join the clips.", retryable=True)
        case _:
            assert_never(result)


async def _crashed(child: Child, most_cpu_seconds: float) -> Exception:
    status, errors = await child.wait()
    log.error("the joining process ended with status %s:\n%s", status, errors, extra={"action": "join.crashed"})
    if status == -signal.SIGXCPU:
        if most_cpu_seconds < math.inf:
            return TooCostly("the CPU time is used up")
        return Failure("JOIN_TIMEOUT", "Joining the clips took more CPU time than it may.", retryable=False)
    if status == -signal.SIGKILL:
        # Its own limits end it in other ways: this was an operator, or a system without memory.
        return Failure("JOIN_UNAVAILABLE", "The program that joins clips was killed.", retryable=True)
    return Failure("JOIN_CRASHED", "Joining the clips stopped unexpectedly.", retryable=True)
