"""How pictures are encoded where this server encodes them: clips of the provider `local`, joins and renditions."""

from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, TypeVar

from providers.clips.colour import BT709, LIMITED

KEYFRAME_SECONDS = 2


class VideoCodec(StrEnum):
    """A codec that every current browser plays in an MP4 file, with sound as AAC."""

    H264 = "h264"
    VP9 = "vp9"
    AV1 = "av1"


class Encoder(NamedTuple):
    """An encoder of FFmpeg. `pixels_a_second` are what one core of a server of 2024 encodes, rounded down."""

    name: str
    options: Mapping[str, str]
    pixels_a_second: float


# Pictures are written in the order in which they are shown, so that clips can be joined by copying; one thread each.
# Measured at 1280x720, in million pixels a CPU second and size of one clip: 66 and 92 kB, 57 and 75 kB, 23 and 67 kB.
ENCODERS: Mapping[VideoCodec, Encoder] = {
    # x264 is under the GPL. B-frames cost 0.4 s of CPU in 5 s of video for a file a seventh smaller; faster presets
    # save 0.2 s and double the file.
    VideoCodec.H264: Encoder("libx264", {"preset": "veryfast", "crf": "23", "bf": "0"}, 30e6),
    # libvpx and SVT-AV1 are under BSD licences.
    VideoCodec.VP9: Encoder(
        "libvpx-vp9",
        {"deadline": "realtime", "cpu-used": "6", "crf": "30", "b": "0", "lag-in-frames": "0", "auto-alt-ref": "0"},
        25e6,
    ),
    VideoCodec.AV1: Encoder("libsvtav1", {"preset": "9", "crf": "30", "svtav1-params": "lp=1:pred-struct=1"}, 10e6),
}


class Stream(Protocol):
    """The part of PyAV's output stream that is used; its published types leave the packets' type open."""

    codec_context: Any


S = TypeVar("S", bound=Stream, covariant=True)


class Streams(Protocol[S]):
    """An output file to which a stream can be added."""

    def add_stream(self, codec_name: str, /, rate: Fraction | int, options: dict[str, str]) -> S: ...


def add_pictures(output: Streams[S], codec: VideoCodec, size: tuple[int, int], rate: Fraction | int) -> S:
    """Add a stream of pictures of a size in pixels, so many a second: BT.709, limited range, 8 bits in 4:2:0."""
    encoder = ENCODERS[codec]
    stream = output.add_stream(encoder.name, rate=rate, options=dict(encoder.options))
    context = stream.codec_context
    context.width, context.height = size
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1) / rate
    context.gop_size = max(1, round(KEYFRAME_SECONDS * rate))
    context.thread_count = 1
    # Rec. ITU-T H.273. Untagged video is shown with other colours by some players.
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED
    return stream
