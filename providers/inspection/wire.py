"""Messages between the server and the inspecting process: a ticket in, one line of JSON out."""

import json
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

from providers.clips.problems import UNREADABLE, BadClip
from providers.port import Asset


class Work(StrEnum):
    """What the process is to do with a file."""

    CLIP = "CLIP"
    """Look at a clip."""

    IMAGE = "IMAGE"
    SOUND = "SOUND"
    FRAME = "FRAME"
    """Take a picture out of a clip."""


class Ticket(NamedTuple):
    """The file to look at, the folder for its pictures, and the seconds that were asked for, None if unknown.

    `at_seconds` is the place of the picture of FRAME; None: the last one.
    """

    clip: str
    folder: str
    asked_seconds: float | None
    work: str = Work.CLIP
    at_seconds: float | None = None

    def line(self) -> bytes:
        """Encode the ticket as one line."""
        return json.dumps(self).encode() + b"\n"


class Seen(NamedTuple):
    """A clip that can be shown, as its bytes describe it. `playable`: whether browsers play it."""

    clip: Asset
    poster: Asset
    preview: Asset
    playable: bool


class Found(NamedTuple):
    """A file that is no clip, or the picture of one, as its bytes describe it."""

    file: Asset
    poster: Asset | None = None


class Unavailable(Exception):
    """The clip could not be inspected, for a reason that is not in the clip, such as a full disk."""


class _Result(TypedDict, total=False):
    bad: tuple[str, str]
    unavailable: str
    seen: tuple[list["_Described"], bool]
    found: tuple["_Described", "_Described | None"]


_Described = tuple[str, str, int | None, int | None, float | None]


def ticket(line: bytes) -> Ticket:
    """Decode a ticket."""
    return Ticket(*json.loads(line))


def seen_line(seen: Seen) -> str:
    """Encode what was seen."""
    return json.dumps({"seen": ([_described(each) for each in (seen.clip, seen.poster, seen.preview)], seen.playable)})


def found_line(found: Found) -> str:
    """Encode what was found."""
    poster = None if found.poster is None else _described(found.poster)
    return json.dumps({"found": (_described(found.file), poster)})


def bad_line(bad: BadClip) -> str:
    """Encode that the clip cannot be shown."""
    return json.dumps({"bad": (bad.code, bad.reason)})


def unavailable_line(reason: str) -> str:
    """Encode that the clip could not be looked at."""
    return json.dumps({"unavailable": reason})


def result(line: bytes) -> Seen | Found:
    """Decode the line of the inspecting process. Raises BadClip or Unavailable when it reports one."""
    message = cast("_Result", json.loads(line))
    if "unavailable" in message:
        raise Unavailable(message["unavailable"])
    if "seen" in message:
        (clip, poster, preview), playable = message["seen"]
        return Seen(_asset(clip), _asset(poster), _asset(preview), playable)
    if "found" in message:
        file, still = message["found"]
        return Found(_asset(file), None if still is None else _asset(still))
    raise BadClip(*message.get("bad", (UNREADABLE, "cannot be read")))


def _described(asset: Asset) -> _Described:
    return str(asset.path), asset.content_type, asset.width, asset.height, asset.duration_seconds


def _asset(described: _Described) -> Asset:
    path, content_type, width, height, seconds = described
    return Asset(Path(path), content_type, width, height, seconds)
