"""Clips of every kind that a provider may deliver, made by the test itself."""

import math
import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
from av.audio.frame import AudioFrame

from tests.support import four_colours
from tests.support.four_colours import Coding

MILLISECOND = Fraction(1, 1000)
SOUND_SAMPLES = 1024
SUFFIXES = {"mp4": "mp4", "mov": "mov", "webm": "webm", "matroska": "mkv"}
# Rec. ITU-T H.273.
_TAGS = {"601": (6, 6, 6), "709": (1, 1, 1), "2020": (9, 14, 9)}
_TRANSFERS = {"pq": 16, "hlg": 18}


class Tone(NamedTuple):
    """Sound: a tone of `hertz` from `start` on; nothing is coded from `gap` on for `gap_seconds`."""

    hertz: int = 440
    codec: str = "aac"
    rate: int = 48_000
    layout: str = "stereo"
    start: Fraction = Fraction(0)
    seconds: Fraction = Fraction(1, 2)
    gap: Fraction | None = None
    gap_seconds: Fraction = Fraction(0)


class Odd(NamedTuple):
    """A kind of clip; `times` are those of its pictures, in seconds. Sides are those of the coded picture."""

    width: int = 64
    height: int = 48
    times: Sequence[Fraction] = tuple(Fraction(number, 24) for number in range(12))
    rate: Fraction = Fraction(24)
    codec: str = "libx264"
    container: str = "mp4"
    pixel_format: str = "yuv420p"
    coding: Coding = Coding()
    tagged: bool = False
    degrees: int = 0
    mirrored: bool = False
    aspect: Fraction = Fraction(1)
    tone: Tone | None = None
    options: tuple[tuple[str, str], ...] = ()
    # The size of the second half of the clip, with parameter sets among the pictures.
    second_size: tuple[int, int] | None = None

    @property
    def displayed(self) -> tuple[int, int]:
        """The size in square pixels, as shown."""
        width, height = self.width, self.height
        width, height = round(width * max(self.aspect, 1)), round(height / min(self.aspect, 1))
        return (height, width) if self.degrees in (90, 270) else (width, height)

    @property
    def seconds(self) -> Fraction:
        """How long it is shown: its sound may go on behind its pictures, or begin before."""
        last = self.times[-1] + 1 / self.rate
        if self.tone is None:
            return last - self.times[0]
        end = self.tone.start + self.tone.seconds
        tenth = Fraction(1, 10)
        start = self.tone.start if self.times[0] - self.tone.start > tenth else self.times[0]
        return (end if end - last > tenth else last) - start

    @property
    def content_type(self) -> str:
        """The content type that a provider reports."""
        return {"mov": "video/quicktime", "matroska": "video/x-matroska"}.get(self.container, f"video/{self.container}")


def make(path: Path, kind: Odd) -> Path:
    """Write a clip."""
    with cast("Any", av.open(str(path), "w", format=kind.container)) as output:
        video = _stream(output, kind)
        audio = _audio(output, kind.tone) if kind.tone is not None else None
        before = [time for time in kind.times if kind.second_size is None or time < kind.times[len(kind.times) // 2]]
        for number, time in enumerate(before):
            output.mux(video.encode(_frame(kind, number, time, (kind.width, kind.height))))
        output.mux(video.encode(None))
        if kind.second_size is not None:
            for packet in _second_half(kind, kind.second_size):
                packet.stream = video
                output.mux(packet)
        if audio is not None and kind.tone is not None:
            for sound in sounds(kind.tone, audio.codec_context):
                output.mux(audio.encode(sound))
            output.mux(audio.encode(None))
    return path


def _stream(output: Any, kind: Odd) -> Any:
    stream = output.add_stream(kind.codec, rate=kind.rate, options=dict(kind.options))
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = kind.width, kind.height, kind.pixel_format
    context.thread_count = 1
    context.time_base = MILLISECOND if _uneven(kind) else 1 / kind.rate
    if kind.aspect != 1:
        context.sample_aspect_ratio = kind.aspect
    if kind.tagged:
        context.color_primaries, context.color_trc, context.colorspace = _tags(kind.coding)
        context.color_range = 2 if kind.coding.full else 1
    if kind.degrees or kind.mirrored:
        stream.set_display_rotation(kind.degrees, hflip=kind.mirrored)
    return stream


def _uneven(kind: Odd) -> bool:
    return any(time * kind.rate % 1 for time in kind.times)


def _tags(coding: Coding) -> tuple[int, int, int]:
    primaries, transfer, matrix = _TAGS[coding.matrix]
    return primaries, _TRANSFERS.get(coding.transfer, transfer), matrix


def _frame(kind: Odd, number: int, time: Fraction, size: tuple[int, int]) -> Any:
    width, height = size[::-1] if kind.degrees in (90, 270) else size
    shown = four_colours.displayed(width, height, number)
    image = four_colours.unturned(shown, kind.degrees, mirrored=kind.mirrored)
    frame = four_colours.frame(image, kind.pixel_format, kind.coding)
    if kind.tagged:
        frame.color_primaries, frame.color_trc, frame.colorspace = _tags(kind.coding)
        frame.color_range = 2 if kind.coding.full else 1
    base = MILLISECOND if _uneven(kind) else 1 / kind.rate
    frame.pts, frame.time_base = round(time / base), base
    return frame


def _second_half(kind: Odd, size: tuple[int, int]) -> Iterator[Any]:
    """Encode the second half at another size; its parameter sets are among the packets."""
    context = cast("Any", av.CodecContext).create(kind.codec, "w")
    context.width, context.height, context.pix_fmt = *size, kind.pixel_format
    context.time_base = context_base = 1 / kind.rate
    context.framerate, context.thread_count, context.options = kind.rate, 1, {"bf": "0"}
    half = len(kind.times) // 2
    frames = [_frame(kind, number, time, size) for number, time in enumerate(kind.times) if number >= half]
    for frame in [*frames, None]:
        for packet in context.encode(frame):
            packet.time_base = context_base
            yield packet


def _audio(output: Any, tone: Tone) -> Any:
    stream = output.add_stream(tone.codec, rate=tone.rate)
    stream.codec_context.layout = tone.layout
    return stream


def sounds(tone: Tone, context: Any) -> Iterator[Any]:
    """Yield frames of the tone; the encoder converts them into the format that it takes."""
    size: int = context.frame_size or SOUND_SAMPLES
    total, offset = round(tone.seconds * tone.rate), round(tone.start * tone.rate)
    for start in range(0, total, size):
        count = min(size, total - start)
        time = Fraction(start, tone.rate)
        if tone.gap is not None and tone.gap <= time < tone.gap + tone.gap_seconds:
            continue
        sound: Any = AudioFrame(format="fltp", layout=tone.layout, samples=count)
        sound.sample_rate, sound.pts, sound.time_base = tone.rate, offset + start, Fraction(1, tone.rate)
        wave = [math.sin(2 * math.pi * tone.hertz * (start + each) / tone.rate) / 2 for each in range(count)]
        samples = struct.pack(f"{count}f", *wave)
        for plane in sound.planes:
            plane.update(samples + bytes(plane.buffer_size - len(samples)))
        yield sound


def _every(rate: Fraction | int, count: int, start: Fraction = Fraction(0)) -> tuple[Fraction, ...]:
    return tuple(start + number / Fraction(rate) for number in range(count))


def _of_rate(rate: Fraction | int, count: int, **fields: Any) -> Odd:
    return Odd(rate=Fraction(rate), times=_every(rate, count), **fields)


_HEVC = ("x265-params", "log-level=none:pools=1:frame-threads=1:bframes=0")
_PQ, _HLG = Coding("2020", transfer="pq"), Coding("2020", transfer="hlg")
_TEN = "yuv420p10le"
_HALF = Fraction(1, 2)
PLAIN = Odd()

KINDS: dict[str, Odd] = {
    "plain": PLAIN,
    "b frames": Odd(options=(("bf", "2"),)),
    "another encoder setting": Odd(options=(("preset", "ultrafast"),)),
    "quicktime": Odd(container="mov"),
    "matroska": Odd(container="matroska"),
    "sound": Odd(tone=Tone()),
    "mp3 sound": Odd(tone=Tone(codec="libmp3lame", hertz=500)),
    "mono narration": Odd(tone=Tone(layout="mono", rate=22_050, hertz=300)),
    "surround music": Odd(tone=Tone(layout="5.1", hertz=350)),
    "flac sound": Odd(container="matroska", tone=Tone(codec="flac", hertz=700)),
    "raw sound": Odd(container="mov", tone=Tone(codec="pcm_s16le", rate=44_100, hertz=650)),
    "sound that lasts longer": Odd(tone=Tone(seconds=Fraction(1), hertz=550)),
    "sound that ends early": Odd(tone=Tone(seconds=Fraction(3, 10), hertz=600)),
    "sound that begins late": Odd(tone=Tone(start=Fraction(3, 20), seconds=Fraction(7, 20), hertz=450)),
    "sound before the pictures": Odd(
        times=_every(24, 12, Fraction(1, 4)), tone=Tone(seconds=Fraction(3, 4), hertz=480)
    ),
    "sound with a gap": Odd(
        tone=Tone(codec="libopus", seconds=Fraction(1), gap=Fraction(1, 5), gap_seconds=Fraction(3, 10), hertz=520),
        container="webm",
        codec="libvpx-vp9",
    ),
    "vp9": Odd(codec="libvpx-vp9", container="webm", tone=Tone(codec="libopus", hertz=750)),
    "vp9 in mp4": Odd(codec="libvpx-vp9"),
    "vp8": Odd(codec="libvpx", container="webm", tone=Tone(codec="libopus", hertz=850)),
    "av1": Odd(width=96, height=64, codec="libsvtav1"),
    "av1 in webm": Odd(width=96, height=64, codec="libsvtav1", container="webm"),
    "hevc": Odd(codec="libx265", options=(_HEVC,)),
    "mpeg4": Odd(codec="mpeg4"),
    "motion jpeg": Odd(codec="mjpeg", container="mov", pixel_format="yuvj420p", coding=Coding(full=True)),
    "prores": Odd(codec="prores_ks", container="mov", pixel_format="yuv422p10le"),
    "lossless rgb": Odd(codec="ffv1", container="matroska", pixel_format="bgr0"),
    "rgb h264": Odd(codec="libx264rgb", pixel_format="rgb24"),
    "animation codec": Odd(codec="qtrle", container="mov", pixel_format="rgb24"),
    "turned by 90": Odd(degrees=90),
    "turned by 180": Odd(degrees=180),
    "turned by 270": Odd(degrees=270, container="mov"),
    "mirrored": Odd(mirrored=True),
    "mirrored and turned": Odd(degrees=90, mirrored=True),
    "turned matroska": Odd(degrees=270, container="matroska"),
    "wide pixels": Odd(aspect=Fraction(4, 3)),
    "narrow pixels": Odd(aspect=_HALF),
    "turned wide pixels": Odd(aspect=Fraction(4, 3), degrees=90),
    "hevc pq": Odd(codec="libx265", pixel_format=_TEN, coding=_PQ, tagged=True, options=(_HEVC,)),
    "hevc hlg": Odd(codec="libx265", pixel_format=_TEN, coding=_HLG, tagged=True, options=(_HEVC,)),
    "av1 pq": Odd(width=96, height=64, codec="libsvtav1", pixel_format=_TEN, coding=_PQ, tagged=True),
    "h264 hlg": Odd(pixel_format=_TEN, coding=_HLG, tagged=True),
    "wide gamut": Odd(codec="libx265", pixel_format=_TEN, coding=Coding("2020"), tagged=True, options=(_HEVC,)),
    "tagged bt709": Odd(coding=Coding("709"), tagged=True),
    "tagged bt601": Odd(coding=Coding("601"), tagged=True),
    "full range": Odd(pixel_format="yuvj420p", coding=Coding("709", full=True), tagged=True),
    "full range of ten bits": Odd(pixel_format=_TEN, coding=Coding("709", full=True), tagged=True),
    "all chroma": Odd(pixel_format="yuv444p"),
    "half of the chroma": Odd(pixel_format="yuv422p"),
    "ten bits": Odd(pixel_format=_TEN),
    "one picture a second": _of_rate(1, 2),
    "eight pictures a second": _of_rate(8, 4),
    "film rate": _of_rate(Fraction(24000, 1001), 12),
    "thirty": _of_rate(30, 15),
    "120 pictures a second": _of_rate(120, 60),
    "variable rate": Odd(
        rate=Fraction(25), times=(*_every(25, 6), *_every(25, 6, Fraction(6, 5))), options=(("bf", "0"),)
    ),
    "variable rate in webm": Odd(
        rate=Fraction(25),
        times=(*_every(25, 6), *_every(25, 6, Fraction(1))),
        codec="libvpx-vp9",
        container="webm",
    ),
    "one picture": Odd(times=(Fraction(0),)),
    "late first picture": Odd(times=_every(24, 12, Fraction(10))),
    "odd sides": Odd(width=61, height=47, codec="libvpx-vp9", container="webm"),
    "upright format": Odd(width=48, height=80),
    "tiny": Odd(width=32, height=32),
    "another size in the middle": Odd(second_size=(96, 48)),
}
