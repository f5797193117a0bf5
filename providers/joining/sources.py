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

# Named, so that a file which calls itself a clip is not read as a playlist of other files.
FORMATS = {"video/mp4": "mp4", "video/quicktime": "mov", "video/webm": "webm", "video/x-matroska": "matroska"}
LARGEST_PIXELS = 8192 * 4320
# What an MP4 file can hold and browsers play in it.
COPIED_VIDEO = frozenset({"h264", "hevc", "vp9", "av1"})
COPIED_AUDIO = frozenset({"aac", "mp3", "opus"})
# So much may be missing of a clip's sound at its ends before a player would stumble.
SILENCE_SECONDS = Fraction(1, 10)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
USUAL_RATE = Fraction(24)
LARGEST_RATE = Fraction(60)


class Unreadable(Exception):
    """A clip, counted from 1, that cannot be read."""

    def __init__(self, number: int) -> None:
        super().__init__(f"clip {number} cannot be read")
        self.number = number


class Look(NamedTuple):
    """What must agree between clips whose pictures are to be copied."""

    codec: str
    width: int
    height: int
    pixels: str | None
    profile: str | None
    setup: bytes


class Tone(NamedTuple):
    """What must agree between clips whose sound is to be copied."""

    codec: str
    rate: int
    channels: int
    setup: bytes


class Source(NamedTuple):
    """A clip. It begins at `start` by its own clock; `plain` when its packets can stand behind those of another."""

    number: int
    path: Path
    format: str
    start: Fraction
    seconds: Fraction
    rate: Fraction
    look: Look
    plain: bool
    tone: Tone | None
    tone_plain: bool

    @contextmanager
    def open(self) -> Generator[InputContainer]:
        """Read it. Raises Unreadable for whatever is wrong with it."""
        with _reading(self.number), av.open(str(self.path), format=self.format) as container:
            yield container


class _Span:
    """Where the packets of a stream lie in time."""

    def __init__(self) -> None:
        self.count = 0
        self.start: Fraction | None = None
        self.end = Fraction(0)
        self.plain = True

    def add(self, packet: Packet, pace: Fraction) -> None:
        """One more packet; `pace` is how long it lasts when it does not say so."""
        if packet.is_corrupt:
            raise ValueError("a packet is corrupt")
        if packet.pts is None or packet.dts is None or packet.is_discard:
            self.plain = False
        at = Fraction(packet.pts if packet.pts is not None else packet.dts or 0) * packet.time_base
        self.plain = self.plain and (self.count > 0 or packet.is_keyframe)
        self.count += 1
        if not packet.is_discard:
            self.start = at if self.start is None else min(self.start, at)
            self.end = max(self.end, at + (packet.duration * packet.time_base if packet.duration else pace))


def look_into(number: int, clip: Clip) -> Source:
    """Read the clip once, and decode its first picture. Raises Unreadable."""
    with _reading(number), av.open(clip.path, format=FORMATS[clip.content_type]) as container:
        return _source(number, clip, container)


def sound_of(container: InputContainer) -> AudioStream | None:
    """The first stream of sound."""
    return container.streams.audio[0] if container.streams.audio else None


def _source(number: int, clip: Clip, container: InputContainer) -> Source:
    video, audio = container.streams.video[0], sound_of(container)
    first = next(pictures(container, video))
    if first.width * first.height > LARGEST_PIXELS:
        raise ValueError(f"{first.width}x{first.height} is too large")
    container.seek(0)
    rate = video.average_rate or USUAL_RATE
    seen, heard = _Span(), _Span()
    for packet in packets(demuxed(container, video, audio)):
        span = seen if packet.stream_index == video.index else heard
        span.add(packet, 1 / rate if span is seen else Fraction(0))
    if seen.start is None or seen.end <= seen.start or seen.count < video.frames:
        raise ValueError("pictures are missing")
    whole = bool(heard.count) and _covers(heard, seen)
    return Source(
        number=number,
        path=Path(clip.path),
        format=FORMATS[clip.content_type],
        start=seen.start,
        seconds=seen.end - seen.start,
        rate=rate if 1 <= rate <= LARGEST_RATE else USUAL_RATE,
        look=_look(video),
        plain=seen.plain and video.codec_context.name in COPIED_VIDEO,
        tone=_tone(audio) if audio is not None and heard.count else None,
        tone_plain=whole and heard.plain and audio is not None and audio.codec_context.name in COPIED_AUDIO,
    )


def _covers(heard: _Span, seen: _Span) -> bool:
    start = seen.start or Fraction(0)
    late = (heard.start or Fraction(0)) - start
    return late <= SILENCE_SECONDS and seen.end - heard.end <= SILENCE_SECONDS


def _look(video: VideoStream) -> Look:
    context = video.codec_context
    setup = bytes(context.extradata or b"")
    return Look(context.name, context.width, context.height, context.pix_fmt, context.profile, setup)


def _tone(audio: AudioStream) -> Tone:
    context = audio.codec_context
    return Tone(context.name, context.sample_rate, context.channels, bytes(context.extradata or b""))


def agree(sources: Sequence[Source]) -> bool:
    """Whether the pictures of these clips can be copied."""
    return all(source.plain and source.look == sources[0].look for source in sources)


def tones_agree(sources: Sequence[Source]) -> bool:
    """Whether the sound of these clips can be copied."""
    return all(source.tone_plain and source.tone == sources[0].tone for source in sources)


@contextmanager
def _reading(number: int) -> Generator[None]:
    try:
        yield
    except (FFmpegError, ValueError, IndexError, StopIteration, KeyError) as error:
        if isinstance(error, FFmpegError) and error.errno in NO_ROOM:
            # What is read is written in the same breath.
            raise
        raise Unreadable(number) from error
