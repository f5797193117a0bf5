"""Messages between the server and the rendering process: a ticket in, JSON lines of progress out."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

from providers.catalogue import InputRole
from providers.clips.encoding import VideoCodec
from providers.port import Asset, Failure, Made, Progress, Rendered


class Source(NamedTuple):
    """A picture that the clip is made from; `name` is what messages call it."""

    role: str
    path: str
    name: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """One clip to draw. Sizes are in pixels, `hue` is in degrees; without `hue` and `land` the seed chooses.

    Equal tickets, except for the folders, give equal clips. `label` is drawn in the corner.
    """

    prompt: str
    title: str | None
    label: str
    seed: int
    duration_seconds: float
    width: int
    height: int
    workdir: str
    sound: bool = False
    caption: bool = True
    hue: float | None = None
    land: str | None = None
    pictures: tuple[Source, ...] = ()
    codec: VideoCodec = VideoCodec.H264

    @property
    def shows_pictures(self) -> bool:
        """Return whether given pictures fill the frame, at the start or at the end."""
        return any(source.role != InputRole.REFERENCE for source in self.pictures)

    def line(self) -> bytes:
        """Encode the ticket as one line of ASCII, which preserves a lone surrogate in a prompt."""
        return json.dumps(asdict(self)).encode() + b"\n"


def ticket(line: bytes) -> Ticket:
    """Decode a ticket."""
    fields = json.loads(line)
    pictures = tuple(Source(*source) for source in fields.pop("pictures"))
    return Ticket(**fields | {"codec": VideoCodec(fields["codec"])}, pictures=pictures)


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
    checked: bool
    repeatable: bool
    metrics: Mapping[str, object]
    failure: tuple[str, str]


def progress_line(progress: Progress) -> str:
    """Encode progress."""
    frame = b64encode(progress.frame).decode() if progress.frame is not None else None
    return json.dumps({"fraction": progress.fraction, "frame": frame})


def rendered_line(rendered: Rendered) -> str:
    """Encode the result, with file names relative to the ticket's folder."""
    assets = [rendered.clip, rendered.poster, rendered.preview]
    encoded = [_encoded(asset) for asset in assets if asset is not None]
    flags = {"checked": rendered.checked, "repeatable": rendered.repeatable}
    return json.dumps({"rendered": encoded, **flags, "metrics": dict(rendered.made.metrics)})


def failure_line(failure: Failure) -> str:
    """Encode a failure that is not retryable."""
    return json.dumps({"failure": (failure.code, failure.message)})


def report(line: bytes, workdir: Path) -> Progress | Rendered:
    """Decode one line of the rendering process. Raises the Failure that it reports."""
    message = cast("_Report", json.loads(line))
    if "failure" in message:
        raise Failure(*message["failure"], retryable=False)
    if "rendered" in message:
        clip, *pictures = (_decoded(asset, workdir) for asset in message["rendered"])
        poster, preview, *_ = *pictures, None, None
        flags = message.get("checked", False), message.get("repeatable", False)
        return Rendered(clip, poster, preview, *flags, made=Made(metrics=message.get("metrics", {})))
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
