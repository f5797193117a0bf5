"""What the server and the rendering process say to each other: a ticket in, JSON lines of progress out."""

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict, cast

from providers.port import Asset, Progress, Rendered


@dataclass(frozen=True, slots=True)
class Ticket:
    """One clip to draw. Sizes are in pixels; the same ticket, the folder apart, always gives the same clip."""

    prompt: str
    title: str | None
    number: int
    duration_seconds: float
    width: int
    height: int
    workdir: str

    def line(self) -> bytes:
        """Write the ticket as one line of ASCII: a lone surrogate in a prompt survives it."""
        return json.dumps(asdict(self)).encode() + b"\n"


def ticket(line: bytes) -> Ticket:
    """Read a ticket that the server wrote."""
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
    """Write how far the clip is."""
    frame = b64encode(progress.frame).decode() if progress.frame is not None else None
    return json.dumps({"fraction": progress.fraction, "frame": frame})


def rendered_line(rendered: Rendered) -> str:
    """Write the result; files are named relative to the ticket's folder."""
    assets = [rendered.clip, rendered.poster, rendered.preview]
    return json.dumps({"rendered": [_packed(asset) for asset in assets if asset is not None]})


def report(line: bytes, workdir: Path) -> Progress | Rendered:
    """Read one line of the rendering process."""
    said = cast("_Report", json.loads(line))
    if "rendered" in said:
        return Rendered(*(_unpacked(asset, workdir) for asset in said["rendered"]))
    frame = said.get("frame")
    return Progress(said.get("fraction"), b64decode(frame) if frame is not None else None)


def _packed(asset: Asset) -> dict[str, object]:
    packed = asdict(asset)
    return {"name": packed.pop("path").name, **packed}


def _unpacked(asset: _Asset, workdir: Path) -> Asset:
    return Asset(
        workdir / asset["name"],
        asset["content_type"],
        asset["width"],
        asset["height"],
        asset["duration_seconds"],
    )
