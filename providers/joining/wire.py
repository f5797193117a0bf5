"""What the server and the joining process say to each other: a ticket in, one line of JSON out."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

from providers.port import Asset, Failure

CONTENT_TYPE = "video/mp4"


class Clip(NamedTuple):
    """A clip to be joined, in play order."""

    path: str
    content_type: str


class Ticket(NamedTuple):
    """The clips, and the path of the video to be made of them."""

    clips: Sequence[Clip]
    target: str

    def line(self) -> bytes:
        """Write the ticket as one line."""
        return json.dumps(self).encode() + b"\n"


class Shape(NamedTuple):
    """What became of them: size in pixels, length in seconds."""

    width: int
    height: int
    seconds: float


class _Answer(TypedDict, total=False):
    joined: tuple[int, int, float]
    unreadable: int
    no_room: bool


def ticket(line: bytes) -> Ticket:
    """Read a ticket that the server wrote."""
    clips, target = json.loads(line)
    return Ticket([Clip(*clip) for clip in clips], target)


def joined_line(shape: Shape) -> str:
    """Write the result."""
    return json.dumps({"joined": shape})


def unreadable_line(number: int) -> str:
    """Write that a clip, counted from 1, cannot be read."""
    return json.dumps({"unreadable": number})


def no_room_line() -> str:
    """Write that the disk is full."""
    return json.dumps({"no_room": True})


def answer(line: bytes, target: Path) -> Asset:
    """Read the line of the joining process. Raises Failure when that is what it says."""
    said = cast("_Answer", json.loads(line))
    if "joined" in said:
        return Asset(target, CONTENT_TYPE, *said["joined"])
    if "unreadable" in said:
        message = f"The clip of scene {said['unreadable']} cannot be read; regenerate it or choose another take."
        raise Failure("CLIP_UNREADABLE", message, retryable=False)
    raise Failure("NO_ROOM", "There was no room to join the clips in.", retryable=True)
