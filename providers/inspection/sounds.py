"""Looks at a sound file: whether it can be used, and what it is."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from av.container import InputContainer
from av.error import FFmpegError

from providers.clips import limits
from providers.clips.containers import HEAD_BYTES, Container
from providers.clips.description import Span, opened
from providers.clips.problems import TOO_LONG, TRUNCATED, UNREADABLE, BadClip
from providers.inspection.wire import Found
from providers.port import Asset

MP3 = Container("mp3", "audio/mpeg", "mp3")
WAV = Container("wav", "audio/wav", "wav")
FLAC = Container("flac", "audio/flac", "flac")
OGG = Container("ogg", "audio/ogg", "ogg")
M4A = Container("mp4", "audio/mp4", "m4a")

_M4A_BRANDS = frozenset({b"M4A ", b"M4B "})
# ISO/IEC 11172-3, 2.4.2.3: eleven bits of a frame's sync word, then a version, and layer III.
_MP3_SYNC = frozenset({b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2"})
MOST_CHANNELS = 16
LARGEST_RATE_HZ = 384_000
# So much is decoded, from the start.
DECODED_FRAMES = 50


def container_of(head: bytes) -> Container | None:
    """Return the container of a sound file that begins with these bytes."""
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return WAV
    if head.startswith(b"fLaC"):
        return FLAC
    if head.startswith(b"OggS"):
        return OGG
    if head[4:8] == b"ftyp" and head[8:12] in _M4A_BRANDS:
        return M4A
    return MP3 if head.startswith(b"ID3") or head[:2] in _MP3_SYNC else None


def look(path: Path) -> Found:
    """Look at a sound file: read all of it, and decode its start. Raises BadClip when it cannot be used."""
    with path.open("rb") as file:
        container = container_of(file.read(HEAD_BYTES))
    if container is None:
        raise BadClip(UNREADABLE, "is not an MP3, WAV, FLAC, Ogg or M4A file")
    with opened(path, container) as file:
        seconds = _seconds(file)
    return Found(Asset(path, container.content_type, duration_seconds=seconds))


def _seconds(file: InputContainer) -> float:
    sounds = [stream for stream in file.streams.audio if cast("object", stream.codec_context) is not None]
    if not sounds:
        raise BadClip(UNREADABLE, "has no sound")
    sound, span, frames = sounds[0], Span(), 0
    context = sound.codec_context
    for packet in cast("Iterable[Any]", file.demux(sound)):
        if packet.size and packet.is_corrupt:
            raise BadClip(TRUNCATED, "is cut off within a packet")
        if packet.size:
            span.add(packet)
        if span.packets > limits.MOST_PACKETS:
            raise BadClip(TOO_LONG, f"has more than {limits.MOST_PACKETS} packets")
        if frames < DECODED_FRAMES:
            frames += _decoded(packet)
    if not frames or not span.times:
        raise BadClip(UNREADABLE, "has no sound that can be decoded")
    if not 0 < context.channels <= MOST_CHANNELS or not 0 < context.sample_rate <= LARGEST_RATE_HZ:
        raise BadClip(UNREADABLE, f"has {context.channels} channels at {context.sample_rate} Hz")
    seconds = float(span.end(sound.time_base or span.start) - span.start)
    if seconds > limits.LONGEST_SECONDS:
        raise BadClip(TOO_LONG, f"is longer than {limits.LONGEST_SECONDS:g} seconds")
    return seconds


def _decoded(packet: Any) -> int:
    """Return how many frames the packet holds; 0 for a damaged one."""
    try:
        return len(packet.decode())
    except FFmpegError:
        return 0
