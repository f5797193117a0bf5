"""Types of the part of PyAV that is used here: its published ones need NumPy for frames and packets."""

import errno
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, Protocol, cast

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream


class Picture(Protocol):
    """A decoded video frame."""

    pts: int | None
    time_base: Fraction | None
    width: int
    height: int

    @property
    def format(self) -> "PixelFormat": ...


class PixelFormat(Protocol):
    """The pixel format of a frame."""

    @property
    def name(self) -> str: ...
    @property
    def is_rgb(self) -> bool: ...


class Named(Protocol):
    """A sample format, or a layout of channels."""

    @property
    def name(self) -> str: ...


class Plane(Protocol):
    """One channel of an audio frame."""

    @property
    def buffer_size(self) -> int: ...
    def update(self, samples: bytes, /) -> None: ...


class Sound(Protocol):
    """A decoded audio frame."""

    pts: int | None
    time_base: Fraction | None
    samples: int
    sample_rate: int

    @property
    def format(self) -> "Named": ...
    @property
    def layout(self) -> "Named": ...
    @property
    def planes(self) -> Sequence[Plane]: ...


class Packet(Protocol):
    """An encoded packet; its times count in `time_base`."""

    pts: int | None
    dts: int | None
    duration: int | None
    time_base: Fraction
    stream: Any
    stream_index: int
    size: int
    is_keyframe: bool
    is_corrupt: bool
    is_discard: bool

    def decode(self) -> Sequence[Any]: ...


class OutputStream(Protocol):
    """A stream of the output file."""

    codec_context: Any

    def encode(self, frame: object | None, /) -> Sequence[Packet]: ...


class Output(Protocol):
    """The output file."""

    def add_stream(self, codec_name: str, /, rate: Fraction | int, options: dict[str, str]) -> OutputStream: ...
    def add_stream_from_template(self, template: object, /, *, opaque: bool) -> OutputStream: ...
    def mux(self, packets: Packet | Sequence[Packet], /) -> None: ...
    def close(self) -> None: ...


def demuxed(container: InputContainer, video: VideoStream, audio: AudioStream | None) -> Iterator[Packet]:
    """Yield the packets of both streams in file order, and an empty one at the end of each stream."""
    streams = [video] if audio is None else [video, audio]
    return cast("Iterator[Packet]", container.demux(*streams))


def decoded(packet: Packet) -> Sequence[Any]:
    """Return the pictures or the sound that can be decoded; nothing of a damaged packet, as players do.

    The clip was looked at: most of it can be shown. Raises FFmpegError when there is no memory.
    """
    try:
        return packet.decode()
    except FFmpegError as error:
        if error.errno == errno.ENOMEM:
            raise
        return ()
