"""Messages between the server and the rendering process: a ticket in, JSON lines of progress out."""

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict, cast

from providers.port import Asset, Progress, Rendered


@dataclass(frozen=True, slots=True)
class Ticket:
    """One clip to draw. Sizes are in pixels. Equal tickets, except for the folder, give equal clips."""

    prompt: str
    title: str | None
    number: int
    duration_seconds: float
    width: int
    height: int
    workdir: str

    def line(self) -> bytes:
        """Encode the ticket as one line of ASCII, which preserves a lone surrogate in a prompt."""
        return json.dumps(asdict(self)).encode() + b"\n"


def ticket(line: bytes) -> Ticket:
    """Decode a ticket."""
    return Ticket(**json.loads(line))


class _Asset(TypedDict):
    name: str
    content_type: str
    width: int
    height: int
    duration_seconds: float | None


class _Report(TypedDict, total=False):
    fraction: float
    frame: str | None
    rendered: list[_Asset]


def progress_line(progress: Progress) -> str:
    """Encode progress."""
    frame = b64encode(progress.frame).decode() if progress.frame is not None else None
    return json.dumps({"fraction": progress.fraction, "frame": frame})


def rendered_line(rendered: Rendered) -> str:
    """Encode the result, with file names relative to the ticket's folder."""
    assets = [rendered.clip, rendered.poster, rendered.preview]
    return json.dumps({"rendered": [_encoded(asset) for asset in assets if asset is not None]})


def report(line: bytes, workdir: Path) -> Progress | Rendered:
    """Decode one line of the rendering process."""
    message = cast("_Report", json.loads(line))
    if "rendered" in message:
        return Rendered(*(_decoded(asset, workdir) for asset in message["rendered"]))
    frame = message.get("frame")
    return Progress(message.get("fraction"), b64decode(frame) if frame is not None else None)


def _encoded(asset: Asset) -> dict[str, object]:
    fields = asdict(asset)
    return {"name": fields.pop("path").name, **fields}


def _decoded(asset: _Asset, workdir: Path) -> Asset:
    return Asset(
        workdir / asset["name"],
        asset["content_type"],
        asset["width"],
        asset["height"],
        asset["duration_seconds"],
    )
