"""Inspect the files that providers return."""

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from PIL import Image

from providers.port import Asset


class Probed(NamedTuple):
    """The properties of a decoded clip; the seconds are the container's."""

    codec: str
    pixels: str | None
    size: tuple[int, int]
    frames: int
    seconds: Fraction


def probe(path: Path) -> Probed:
    """Decode a whole clip. Return its properties."""
    with av.open(path) as container:
        video = container.streams.video[0]
        frames = sum(1 for _ in container.decode(video))
        context = video.codec_context
        seconds = Fraction(container.duration or 0, 1_000_000)
        return Probed(context.name, context.pix_fmt, (context.width, context.height), frames, seconds)


def boxes(mp4: bytes) -> list[str]:
    """Return the names of the top-level boxes of an MP4 file in order (ISO/IEC 14496-12, 4.2)."""
    names: list[str] = []
    at = 0
    while at < len(mp4):
        names.append(mp4[at + 4 : at + 8].decode())
        at += int.from_bytes(mp4[at : at + 4])
    return names


def seconds_of(animation: Path) -> float:
    """Return the total duration of an animation in seconds."""
    with Image.open(animation) as image:
        milliseconds = 0
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            image.load()
            milliseconds += image.info["duration"]
        return milliseconds / 1000


def difference(one: Asset | None, other: Asset | None) -> float:
    """Return the mean absolute difference of two stills per channel, 0..255."""
    assert one is not None
    assert other is not None
    with Image.open(one.path) as first, Image.open(other.path) as second:
        pairs = zip(first.convert("RGB").tobytes(), second.convert("RGB").tobytes(), strict=True)
        total = sum(abs(a - b) for a, b in pairs)
        return total / (3 * first.width * first.height)
