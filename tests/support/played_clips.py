"""A joined video as a player shows it: upright pictures in square pixels with their times, and sound."""

import math
import struct
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
from av.audio.resampler import AudioResampler
from PIL import Image

from providers.render.pixels import resized

RATE = 48_000


class Played(NamedTuple):
    """The pictures and their times in seconds; one channel of sound at 48 kHz.

    `tags` are primaries, transfer function and matrix by Rec. ITU-T H.273; `shown_seconds` is the time of the pictures,
    `seconds` that of the file.
    """

    codec: str
    pixel_format: str
    times: Sequence[Fraction]
    pictures: Sequence[Image.Image]
    seconds: float
    shown_seconds: float
    sound: Sequence[float] | None
    tags: tuple[int, int, int]

    @property
    def transfer(self) -> int:
        """The transfer function."""
        return self.tags[1]

    @property
    def size(self) -> tuple[int, int]:
        """The size as shown."""
        return self.pictures[0].size

    def shown_at(self, seconds: Fraction) -> Image.Image:
        """Return the picture that is shown at this time."""
        return [image for time, image in zip(self.times, self.pictures, strict=True) if time <= seconds][-1]

    def alternations(self, start: Fraction, end: Fraction) -> int:
        """Count how often the middle of the picture turns from dark to bright or back."""
        middles = [
            sum(cast("Any", image.getpixel((image.width // 2, image.height // 2)))) > 3 * 128
            for time, image in zip(self.times, self.pictures, strict=True)
            if start <= time < end
        ]
        return sum(one != other for one, other in pairwise(middles))

    def loudness(self, start: Fraction, end: Fraction) -> float:
        """Return the root mean square of the sound, 0..1."""
        samples = self._samples_of(start, end)
        return math.sqrt(sum(each * each for each in samples) / len(samples)) if samples else 0.0

    def share_of_tone(self, hertz: float, start: Fraction, end: Fraction) -> float:
        """Return how much of the power of the sound is a tone: 1 for a pure one."""
        samples = self._samples_of(start, end)
        angle = 2 * math.pi * hertz / RATE
        real = sum(each * math.cos(angle * number) for number, each in enumerate(samples))
        imaginary = sum(each * math.sin(angle * number) for number, each in enumerate(samples))
        power = sum(each * each for each in samples)
        return 2 * (real * real + imaginary * imaginary) / len(samples) / power if power else 0.0

    def _samples_of(self, start: Fraction, end: Fraction) -> Sequence[float]:
        return (self.sound or ())[round(start * RATE) : round(end * RATE)]


def play(path: Path) -> Played:
    """Decode a video; the times of its packets and pictures must increase strictly."""
    with cast("Any", av.open(str(path))) as container:
        video = container.streams.video[0]
        audio = next(iter(container.streams.audio), None)
        resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
        times, pictures, sound = list[Fraction](), list[Image.Image](), list[float]()
        before: dict[int, int] = {}
        frame: Any = None
        for packet in container.demux():
            if packet.dts is not None:
                assert packet.dts > before.get(packet.stream_index, packet.dts - 1)
                before[packet.stream_index] = packet.dts
            for decoded in packet.decode():
                if packet.stream_index == video.index:
                    frame = decoded
                    times.append(decoded.pts * decoded.time_base)
                    pictures.append(_shown(decoded, video.sample_aspect_ratio or Fraction(1)))
                else:
                    _append(sound, decoded, resampler)
        assert times == sorted(set(times))
        seconds = (container.duration or 0) / 1e6
        name, pixels = video.codec_context.codec.canonical_name, video.codec_context.pix_fmt
        tags = frame.color_primaries, frame.color_trc, frame.colorspace
        shown = float((video.duration or 0) * video.time_base)
        return Played(name, pixels, times, pictures, seconds, shown, sound if audio else None, tags)


def _append(sound: list[float], decoded: Any, resampler: AudioResampler) -> None:
    """Append samples where their times place them: what is missing is silence."""
    start = round(decoded.pts * decoded.time_base * RATE)
    sound.extend([0.0] * max(0, start - len(sound)))
    for piece in cast("Any", resampler.resample(decoded)):
        sound.extend(struct.unpack(f"{piece.samples}f", bytes(piece.planes[0])[: 4 * piece.samples]))


def _shown(frame: Any, aspect: Fraction) -> Image.Image:
    # One thread: those of a frame last as long as it, and each takes up address space.
    image: Image.Image = frame.to_image(threads=1)
    width, height = round(image.width * max(aspect, 1)), round(image.height / min(aspect, 1))
    if image.size != (width, height):
        image = resized(image, (width, height), Image.Resampling.BILINEAR)
    side_data = frame.side_data.get("DISPLAYMATRIX")
    return _turned(image, struct.unpack("=9i", bytes(side_data))) if side_data is not None else image


def _turned(image: Image.Image, matrix: Sequence[int]) -> Image.Image:
    """Apply a display matrix: x' = a x + c y, y' = b x + d y around the middle (ISO/IEC 14496-12, 8.3.2)."""
    a, b, _, c, d = (value / 65536 for value in matrix[:5])
    width, height = image.size
    out = (height, width) if abs(b) > abs(a) else (width, height)
    # The matrix only turns and mirrors, so that its inverse is its transpose.
    centre_x, centre_y = out[0] / 2, out[1] / 2
    data = (a, b, width / 2 - a * centre_x - b * centre_y, c, d, height / 2 - c * centre_x - d * centre_y)
    return image.transform(out, Image.Transform.AFFINE, data)
