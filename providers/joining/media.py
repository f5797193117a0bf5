"""What is used of PyAV, typed: its published types leave frames and packets open without NumPy."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, Protocol, cast

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream


class Picture(Protocol):
    """A decoded picture."""

    pts: int | None
    time_base: Fraction | None
    width: int
    height: int

    @property
    def format(self) -> "PixelFormat": ...


class PixelFormat(Protocol):
    """How its pixels lie in memory."""

    @property
    def name(self) -> str: ...


class Plane(Protocol):
    """One channel of a frame of sound."""

    @property
    def buffer_size(self) -> int: ...
    def update(self, samples: bytes, /) -> None: ...


class Sound(Protocol):
    """A decoded frame of sound."""

    pts: int | None
    time_base: Fraction | None
    samples: int
    sample_rate: int

    @property
    def planes(self) -> Sequence[Plane]: ...


class Packet(Protocol):
    """Something encoded; the times count in `time_base`."""

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
    """A stream of the video that is being made."""

    codec_context: Any

    def encode(self, frame: object | None, /) -> Sequence[Packet]: ...


class Output(Protocol):
    """The video that is being made."""

    def add_stream(self, codec_name: str, /, rate: Fraction | int, options: dict[str, str]) -> OutputStream: ...
    def add_stream_from_template(self, template: object, /) -> OutputStream: ...
    def mux(self, packets: Packet | Sequence[Packet], /) -> None: ...
    def close(self) -> None: ...


def demuxed(container: InputContainer, video: VideoStream, audio: AudioStream | None) -> Iterator[Packet]:
    """The packets of both streams as they lie in the file, and at the end of each stream an empty one."""
    streams = [video] if audio is None else [video, audio]
    return cast("Iterator[Packet]", container.demux(*streams))


def packets(all_of: Iterator[Packet]) -> Iterator[Packet]:
    """Those that hold something."""
    return (packet for packet in all_of if packet.size)


def pictures(container: InputContainer, video: VideoStream) -> Iterator[Picture]:
    """The pictures of a clip."""
    return cast("Iterator[Picture]", container.decode(video))
