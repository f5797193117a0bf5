"""Messages between the server and the joining process: a ticket in, one line of JSON out."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

from providers.port import Asset, Failure

CONTENT_TYPE = "video/mp4"


class Clip(NamedTuple):
    """A clip to join."""

    path: str
    content_type: str


class Ticket(NamedTuple):
    """The clips in play order, and the path of the video."""

    clips: Sequence[Clip]
    target: str

    def line(self) -> bytes:
        """Encode the ticket as one line."""
        return json.dumps(self).encode() + b"\n"


class Shape(NamedTuple):
    """The joined video: its size in pixels, its duration in seconds."""

    width: int
    height: int
    seconds: float


class _Result(TypedDict, total=False):
    joined: tuple[int, int, float]
    unreadable: int
    no_room: bool


def ticket(line: bytes) -> Ticket:
    """Decode a ticket."""
    clips, target = json.loads(line)
    return Ticket([Clip(*clip) for clip in clips], target)


def joined_line(shape: Shape) -> str:
    """Encode the result of a join."""
    return json.dumps({"joined": shape})


def unreadable_line(number: int) -> str:
    """Encode that a clip, counted from 1, cannot be read."""
    return json.dumps({"unreadable": number})


def no_room_line() -> str:
    """Encode that the disk is full."""
    return json.dumps({"no_room": True})


def result(line: bytes, target: Path) -> Asset:
    """Decode the line of the joining process. Raises Failure when it reports one."""
    message = cast("_Result", json.loads(line))
    if "joined" in message:
        return Asset(target, CONTENT_TYPE, *message["joined"])
    if "unreadable" in message:
        text = f"The clip of scene {message['unreadable']} cannot be read; regenerate it or choose another take."
        raise Failure("CLIP_UNREADABLE", text, retryable=False)
    raise Failure("NO_ROOM", "There was no disk space to join the clips.", retryable=True)
