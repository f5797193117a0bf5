"""A clip looked into: what has to agree between clips so that they can be joined as they are."""

import errno
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from providers.joining.media import Packet, demuxed, packets, pictures
from providers.joining.wire import Clip

# The demuxer is named, so that a file which claims to be a clip is not read as a playlist of other files.
FORMATS = {"video/mp4": "mp4", "video/quicktime": "mov", "video/webm": "webm", "video/x-matroska": "matroska"}
LARGEST_PIXELS = 8192 * 4320
# Codecs that MP4 files can hold and browsers play.
COPIED_VIDEO = frozenset({"h264", "hevc", "vp9", "av1"})
COPIED_AUDIO = frozenset({"aac", "mp3", "opus"})
# Sound may begin late or end early by this much; with more, players stutter.
SILENCE_SECONDS = Fraction(1, 10)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
USUAL_RATE = Fraction(24)
LARGEST_RATE = Fraction(60)


class UnreadableClip(Exception):
    """A clip, counted from 1, cannot be read."""

    def __init__(self, number: int) -> None:
        super().__init__(f"clip {number} cannot be read")
        self.number = number


class VideoFormat(NamedTuple):
    """The parameters that must be equal for pictures to be copied."""

    codec: str
    width: int
    height: int
    pixels: str | None
    profile: str | None
    setup: bytes


class AudioFormat(NamedTuple):
    """The parameters that must be equal for sound to be copied."""

    codec: str
    rate: int
    channels: int
    setup: bytes


class Source(NamedTuple):
    """A clip. It begins at `start` by its own clock; its packets can be copied behind those of another if copyable."""

    number: int
    path: Path
    format: str
    start: Fraction
    seconds: Fraction
    rate: Fraction
    video: VideoFormat
    video_copyable: bool
    audio: AudioFormat | None
    audio_copyable: bool

    @contextmanager
    def open(self) -> Generator[InputContainer]:
        """Open the clip. Raises UnreadableClip for any error while it is open."""
        with _reading(self.number), av.open(str(self.path), format=self.format) as container:
            yield container


class _Span:
    """The time that the packets of a stream cover."""

    def __init__(self) -> None:
        self.count = 0
        self.start: Fraction | None = None
        self.end = Fraction(0)
        self.copyable = True

    def add(self, packet: Packet, usual_seconds: Fraction) -> None:
        """Add a packet; `usual_seconds` is its duration when it has none."""
        if packet.is_corrupt:
            raise ValueError("a packet is corrupt")
        if packet.pts is None or packet.dts is None or packet.is_discard:
            self.copyable = False
        at = Fraction(packet.pts if packet.pts is not None else packet.dts or 0) * packet.time_base
        self.copyable = self.copyable and (self.count > 0 or packet.is_keyframe)
        self.count += 1
        if not packet.is_discard:
            self.start = at if self.start is None else min(self.start, at)
            self.end = max(self.end, at + (packet.duration * packet.time_base if packet.duration else usual_seconds))


def probe(number: int, clip: Clip) -> Source:
    """Read all packets of a clip, and decode its first picture. Raises UnreadableClip."""
    with _reading(number), av.open(clip.path, format=FORMATS[clip.content_type]) as container:
        return _source(number, clip, container)


def sound_of(container: InputContainer) -> AudioStream | None:
    """Return the first audio stream."""
    return container.streams.audio[0] if container.streams.audio else None


def _source(number: int, clip: Clip, container: InputContainer) -> Source:
    video, audio = container.streams.video[0], sound_of(container)
    first = next(pictures(container, video))
    if first.width * first.height > LARGEST_PIXELS:
        raise ValueError(f"{first.width}x{first.height} is too large")
    container.seek(0)
    rate = video.average_rate or USUAL_RATE
    video_span, audio_span = _Span(), _Span()
    for packet in packets(demuxed(container, video, audio)):
        span = video_span if packet.stream_index == video.index else audio_span
        span.add(packet, 1 / rate if span is video_span else Fraction(0))
    start, end = video_span.start, video_span.end
    if start is None or end <= start or video_span.count < video.frames:
        raise ValueError("pictures are missing")
    return Source(
        number=number,
        path=Path(clip.path),
        format=FORMATS[clip.content_type],
        start=start,
        seconds=end - start,
        rate=rate if 1 <= rate <= LARGEST_RATE else USUAL_RATE,
        video=_video_format(video),
        video_copyable=video_span.copyable and video.codec_context.name in COPIED_VIDEO,
        audio=_audio_format(audio) if audio is not None and audio_span.count else None,
        audio_copyable=audio is not None and _copyable_sound(audio, audio_span, start, end),
    )


def _copyable_sound(audio: AudioStream, span: _Span, start: Fraction, end: Fraction) -> bool:
    if not (span.count and span.copyable and audio.codec_context.name in COPIED_AUDIO):
        return False
    late, early = (span.start or Fraction(0)) - start, end - span.end
    return late <= SILENCE_SECONDS and early <= SILENCE_SECONDS


def _video_format(video: VideoStream) -> VideoFormat:
    context = video.codec_context
    setup = bytes(context.extradata or b"")
    return VideoFormat(context.name, context.width, context.height, context.pix_fmt, context.profile, setup)


def _audio_format(audio: AudioStream) -> AudioFormat:
    context = audio.codec_context
    return AudioFormat(context.name, context.sample_rate, context.channels, bytes(context.extradata or b""))


def pictures_copyable(sources: Sequence[Source]) -> bool:
    """Return whether the pictures of these clips can be copied."""
    return all(source.video_copyable and source.video == sources[0].video for source in sources)


def sound_copyable(sources: Sequence[Source]) -> bool:
    """Return whether the sound of these clips can be copied."""
    return all(source.audio_copyable and source.audio == sources[0].audio for source in sources)


@contextmanager
def _reading(number: int) -> Generator[None]:
    try:
        yield
    except (FFmpegError, ValueError, IndexError, StopIteration, KeyError) as error:
        if isinstance(error, FFmpegError) and error.errno in NO_ROOM:
            # The output is written while clips are read: the disk is full, and no clip is broken.
            raise
        raise UnreadableClip(number) from error
