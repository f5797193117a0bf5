"""Messages between the server and the joining process: a ticket in, lines of JSON out."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from providers.clips.encoding import VideoCodec

CONTENT_TYPE = "video/mp4"


class Clip(NamedTuple):
    """A clip to join. Its content type is the reported one; the file itself decides. `asked_seconds` were ordered."""

    path: str
    content_type: str
    asked_seconds: float | None = None


class Ticket(NamedTuple):
    """The clips in play order, the path of the video, and the most CPU seconds that joining them may need.

    `codec` is that of pictures that cannot be copied.
    """

    clips: Sequence[Clip]
    target: str
    most_cpu_seconds: float
    codec: VideoCodec = VideoCodec.H264

    def line(self) -> bytes:
        """Encode the ticket as one line."""
        return json.dumps(self).encode() + b"\n"


class Adjustment(NamedTuple):
    """What was done to form one video; `clips` are counted from 1, and none are given when all are meant."""

    code: str
    clips: Sequence[int]
    message: str


@dataclass(frozen=True, slots=True)
class Joined:
    """The joined video: its size in pixels, its duration in seconds, and what was done."""

    width: int
    height: int
    seconds: float
    adjustments: Sequence[Adjustment]


@dataclass(frozen=True, slots=True)
class Refused:
    """A clip, counted from 1, that cannot be shown; the reason completes the sentence "The clip …"."""

    clip: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class TooCostly:
    """The join is expected to take more CPU seconds than the ticket allows; nothing was written."""

    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class NoRoom:
    """The disk is full."""


@dataclass(frozen=True, slots=True)
class NoMemory:
    """The join needs more memory than it may have."""


Result = Joined | Refused | TooCostly | NoRoom | NoMemory
_KINDS: dict[str, type[Result]] = {kind.__name__: kind for kind in (Joined, Refused, TooCostly, NoRoom, NoMemory)}


def ticket(line: bytes) -> Ticket:
    """Decode a ticket."""
    clips, target, most_cpu_seconds, codec = json.loads(line)
    return Ticket([Clip(*clip) for clip in clips], target, most_cpu_seconds, VideoCodec(codec))


def result_line(result: Result) -> str:
    """Encode the result of a join."""
    return json.dumps({"kind": type(result).__name__, "fields": asdict(result)})


def result(line: bytes) -> Result:
    """Decode the result of a join."""
    message = json.loads(line)
    decoded = _KINDS[message["kind"]](**message["fields"])
    if isinstance(decoded, Joined):
        return Joined(
            decoded.width, decoded.height, decoded.seconds, [Adjustment(*each) for each in decoded.adjustments]
        )
    return decoded
