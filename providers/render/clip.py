"""The MP4 file: H.264 for every browser, with its index at the front, so that playback starts before it is loaded."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, cast

import av
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

# Measured on a 5 s clip at 1280x720: B-frames cost 0.4 s of CPU for a file a seventh smaller; presets faster than
# veryfast save 0.2 s and double the file.
ENCODING = {"preset": "veryfast", "crf": "23", "bf": "0"}
KEYFRAME_SECONDS = 2
# Rec. ITU-T H.273: 1 is BT.709 in all three tables. Untagged video is shown with other colours by some players.
BT709 = 1


class Clip:
    """Encodes frames into a file. One thread: the same frames give the same bytes, and the other cores stay free."""

    def __init__(self, path: Path, width: int, height: int, frames_per_second: int) -> None:
        self._size = (width, height)
        faststart = {"movflags": "+faststart"}
        self._container = cast("_Output", av.open(path, "w", format="mp4", container_options=faststart))
        self._stream = self._container.add_stream("libx264", rate=frames_per_second, options=ENCODING)
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = Fraction(1, frames_per_second)
        context.gop_size = KEYFRAME_SECONDS * frames_per_second
        context.thread_count = 1
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = ColorRange.MPEG
        self._written = 0

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
        self._container.close()

    def write(self, image: Image.Image) -> None:
        """Append one RGB image of the clip's size."""
        pixels = image.tobytes("raw", "RGBX")
        frame = av.VideoFrame.from_bytes(pixels, *self._size, format="rgba").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, threads=1
        )
        frame.pts = self._written
        frame.time_base = self._stream.codec_context.time_base
        self._written += 1
        self._container.mux(self._stream.encode(frame))


class _Stream(Protocol):
    """The part of PyAV's stream that is used; its published types leave the packets' type open."""

    codec_context: VideoCodecContext

    def encode(self, frame: av.VideoFrame | None, /) -> Sequence[object]: ...


class _Output(Protocol):
    """The part of PyAV's output container that is used."""

    def add_stream(self, codec_name: str, /, rate: int, options: dict[str, str]) -> _Stream: ...
    def mux(self, packets: Sequence[object], /) -> None: ...
    def close(self) -> None: ...
