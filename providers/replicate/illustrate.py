"""Makes the poster and preview of a clip: reads its path from standard input, writes JSON lines to standard output."""

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import av
from av.container import InputContainer
from PIL import Image

from providers.port import Asset, Progress, Rendered
from providers.render import stills, tether, wire

# The demuxer is named, so that a file which claims to be a clip is not read as a playlist of other files.
FORMATS = {"video/mp4": "mp4", "video/webm": "webm"}
LARGEST_PIXELS = 8192 * 4320
POSTER_PLACE = 0.4
_MICROSECONDS = 1_000_000


class Shown(NamedTuple):
    """A frame of the preview, and its time in seconds."""

    seconds: float
    image: Image.Image


def main() -> None:
    """Illustrate the clip of the ticket in the first line of standard input."""
    tether.ignore_signals()
    ticket: dict[str, str] = json.loads(sys.stdin.buffer.readline())
    tether.exit_with_parent()
    for step in illustrate(Path(ticket["clip"]), ticket["content_type"]):
        line = wire.progress_line(step) if isinstance(step, Progress) else wire.rendered_line(step)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def illustrate(clip: Path, content_type: str) -> Iterator[Progress | Rendered]:
    """Yield a small image of the clip, then the clip with its poster and preview, which are in its folder."""
    with av.open(str(clip), format=FORMATS[content_type]) as container:
        seconds = (container.duration or 0) / _MICROSECONDS
        shown = _shown(container, seconds)
        first = next(shown)
        yield Progress(frame=stills.frame(stills.thumbnail(first.image)))
        width, height = first.image.size
        poster, thumbnails = _condensed(chain([first], shown), seconds * POSTER_PLACE)
    preview_seconds = len(thumbnails) * stills.PREVIEW_SECONDS_PER_FRAME
    yield Rendered(
        Asset(clip, content_type, width, height, seconds or None),
        stills.poster(poster).write(clip.parent / "poster.webp"),
        stills.preview(thumbnails).write(clip.parent / "preview.webp", preview_seconds),
    )


def _shown(container: InputContainer, seconds: float) -> Iterator[Shown]:
    """Decode the clip, and yield frames spread over its duration."""
    apart = seconds / stills.PREVIEW_FRAMES
    due = 0.0
    for number, frame in enumerate(container.decode(container.streams.video[0])):
        if frame.width * frame.height > LARGEST_PIXELS:
            raise ValueError(f"{frame.width}x{frame.height} is too large")
        at = frame.time if frame.pts is not None else 0.0
        if number == 0 or at >= due:
            due = (at if number == 0 else due) + apart
            yield Shown(at, cast("_Frame", frame).to_image())


def _condensed(shown: Iterator[Shown], poster_at: float) -> tuple[Image.Image, Sequence[Image.Image]]:
    """Return the frame nearest to the poster's time, and all as thumbnails; one is kept at full size at a time."""
    best = next(shown)
    thumbnails = [stills.thumbnail(best.image)]
    for candidate in shown:
        if len(thumbnails) == stills.PREVIEW_FRAMES:
            break
        thumbnails.append(stills.thumbnail(candidate.image))
        if abs(candidate.seconds - poster_at) < abs(best.seconds - poster_at):
            best = candidate
    return best.image, thumbnails


class _Frame(Protocol):
    """The part of PyAV's frame that is used; its published types leave the image's type open."""

    def to_image(self) -> Image.Image: ...


if __name__ == "__main__":
    main()
