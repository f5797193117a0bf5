"""The MP4 file: for every browser, with its index at the front, so that playback starts before it is loaded."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, cast

import av
from av.audio.frame import AudioFrame
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from providers.clips.encoding import VideoCodec, add_pictures
from providers.render import tone_bed

SOUND_ENCODING = {"b": "96000"}


class Clip:
    """Encodes frames into a file, and frames of sound beside them.

    One thread: the same frames give the same bytes, and the other cores stay free.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        frames_per_second: int,
        sound: Iterator[AudioFrame] | None = None,
        codec: VideoCodec = VideoCodec.H264,
    ) -> None:
        self._size = (width, height)
        self._frames_per_second = frames_per_second
        faststart = {"movflags": "+faststart"}
        self._container = cast("_Output", av.open(path, "w", format="mp4", container_options=faststart))
        self._stream = add_pictures(self._container, codec, self._size, frames_per_second)
        self._time_base = Fraction(1, frames_per_second)
        self._written = 0
        self._sound = _Sound(self._container, sound) if sound is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._container.mux(self._stream.encode(None))
            if self._sound is not None:
                self._sound.finish()
        self._container.close()

    def write(self, image: Image.Image) -> None:
        """Append one RGB image, enlarged to the clip's size if it is smaller."""
        pixels = image.tobytes("raw", "RGBX")
        frame = av.VideoFrame.from_bytes(pixels, *image.size, format="rgba").reformat(
            *self._size, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, threads=1
        )
        frame.pts = self._written
        frame.time_base = self._time_base
        self._written += 1
        self._container.mux(self._stream.encode(frame))
        if self._sound is not None:
            self._sound.encode_until(self._written / self._frames_per_second)


class _Sound:
    """Encodes the sound of a clip, no farther than its pictures: players read both at the same time."""

    def __init__(self, container: "_Output", frames: Iterator[AudioFrame]) -> None:
        self._container = container
        self._frames = frames
        self._samples = 0
        self._stream = container.add_stream("aac", rate=tone_bed.RATE, options=SOUND_ENCODING)
        self._stream.codec_context.layout, self._stream.codec_context.format = "stereo", "fltp"

    def encode_until(self, seconds: float) -> None:
        while self._samples < seconds * tone_bed.RATE and (frame := next(self._frames, None)) is not None:
            self._samples += frame.samples
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self.encode_until(math.inf)
        self._container.mux(self._stream.encode(None))


class _Stream(Protocol):
    """The part of PyAV's stream that is used; its published types leave the packets' type open."""

    codec_context: Any

    def encode(self, frame: object | None, /) -> Sequence[object]: ...


class _Output(Protocol):
    """The part of PyAV's output container that is used."""

    def add_stream(self, codec_name: str, /, rate: Fraction | int, options: dict[str, str]) -> _Stream: ...
    def mux(self, packets: Sequence[object], /) -> None: ...
    def close(self) -> None: ...
