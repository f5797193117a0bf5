"""Small clips of every kind, to be joined."""

import math
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
from av.audio.frame import AudioFrame
from PIL import Image

RATE = 48_000


class Kind(NamedTuple):
    """The properties of a clip. `tone` is the frequency of its sound in Hz, None for a silent clip."""

    width: int = 320
    height: int = 180
    rate: int = 24
    seconds: float = 0.5
    codec: str = "libx264"
    container: str = "mp4"
    tone: int | None = None
    sound: str = "aac"
    sample_rate: int = RATE
    b_frames: int = 0
    color: str = "red"

    @property
    def content_type(self) -> str:
        """The content type that providers report."""
        return f"video/{self.container}"

    @property
    def frames(self) -> int:
        """How many pictures it has."""
        return round(self.seconds * self.rate)


def make(path: Path, kind: Kind) -> Path:
    """Write a clip, a bar that moves over a colour."""
    output = cast("Any", av.open(str(path), "w", format=kind.container))
    options = {"bf": str(kind.b_frames), "preset": "veryfast"} if kind.codec == "libx264" else {}
    video = output.add_stream(kind.codec, rate=kind.rate, options=options)
    video.width, video.height, video.pix_fmt = kind.width, kind.height, "yuv420p"
    video.codec_context.thread_count = 1
    audio = None
    if kind.tone is not None:
        audio = output.add_stream(kind.sound, rate=kind.sample_rate)
        audio.codec_context.layout = "stereo"
    for number in range(kind.frames):
        frame = cast("Any", av.VideoFrame).from_image(_picture(kind, number))
        frame.pts, frame.time_base = number, Fraction(1, kind.rate)
        output.mux(video.encode(frame))
    output.mux(video.encode(None))
    if audio is not None:
        for frame in _beeps(kind, audio.codec_context):
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    output.close()
    return path


def _picture(kind: Kind, number: int) -> Image.Image:
    image = Image.new("RGB", (kind.width, kind.height), kind.color)
    image.paste("white", (number * 4 % kind.width, 0, number * 4 % kind.width + 8, kind.height))
    return image


def _beeps(kind: Kind, context: Any) -> Iterator[AudioFrame]:
    assert kind.tone is not None
    size: int = context.frame_size or 1024
    total = round(kind.seconds * kind.sample_rate)
    for start in range(0, total, size):
        count = min(size, total - start)
        # The encoder takes what it is given into the format it wants.
        frame: Any = AudioFrame(format="fltp", layout="stereo", samples=count)
        frame.sample_rate, frame.pts, frame.time_base = kind.sample_rate, start, Fraction(1, kind.sample_rate)
        wave = [math.sin(2 * math.pi * kind.tone * (start + each) / kind.sample_rate) / 2 for each in range(count)]
        channel = struct.pack(f"{count}f", *wave)
        for plane in frame.planes:
            plane.update(channel + bytes(plane.buffer_size - len(channel)))
        yield frame
