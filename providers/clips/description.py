"""Describes a clip. Its size is checked before a picture is decoded, its duration by its packets; one is decoded."""

import errno
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from providers.clips import limits, pace
from providers.clips.colour import Colour
from providers.clips.containers import Container, container_of
from providers.clips.pace import Pace
from providers.clips.problems import TOO_LARGE, TOO_LONG, TRUNCATED, UNREADABLE, WITHOUT_PICTURE, BadClip
from providers.clips.turn import Turn, turn_of

MICROSECONDS = 1_000_000
# The last packets of a file that says how long it is may be missing by this much: players do not mind.
MISSING_SECONDS = Fraction(1)


class Pictures(NamedTuple):
    """The video stream of a clip.

    `codec` is the name of the codec, such as "h264" or "av1", whatever decoder reads it; `setup` are its parameter sets
    as the container holds them. `width` and `height` are those of the coded picture, in pixels; `number` counts the
    pictures. The first one is shown at `start`, the last one at `last`, in seconds of the clip's clock.
    """

    codec: str
    profile: str | None
    setup: bytes
    width: int
    height: int
    pixel_aspect: Fraction
    turn: Turn
    pixel_format: str
    bits: int
    colour: Colour
    interlaced: bool
    pace: Pace
    start: Fraction
    last: Fraction
    seconds: Fraction
    number: int

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height as shown, in square pixels: turned, and stretched by the pixel aspect."""
        return displayed_size(self.width, self.height, self.pixel_aspect, self.turn)


class Sound(NamedTuple):
    """The audio stream `stream_index` of a clip; `codec` is the name of the codec, times are by the clip's clock."""

    stream_index: int
    codec: str
    setup: bytes
    rate: int
    channels: int
    start: Fraction
    seconds: Fraction


class Description(NamedTuple):
    """A clip: its container, its pictures, and its first audio stream that holds anything."""

    container: Container
    pictures: Pictures
    sound: Sound | None


class Span:
    """The times of the packets of a stream, in seconds."""

    def __init__(self) -> None:
        self.times: list[Fraction] = []
        # Also those that are not shown: an edit list of the file leaves them out.
        self.packets = 0
        self._end = Fraction(0)

    def add(self, packet: Any) -> None:
        """Add a packet; one without a time is placed behind the last."""
        self.packets += 1
        if packet.is_discard:
            return
        at = packet.pts if packet.pts is not None else packet.dts
        start = at * packet.time_base if at is not None else self._end
        self.times.append(start)
        self._end = max(self._end, start + (packet.duration or 0) * packet.time_base)

    @property
    def start(self) -> Fraction:
        """When the first packet is shown."""
        return min(self.times)

    @property
    def last(self) -> Fraction:
        """When the last packet is shown."""
        return max(self.times)

    def end(self, usual_seconds: Fraction) -> Fraction:
        """When the last packet ends; it lasts `usual_seconds` where the file does not say how long."""
        return self._end if self._end > self.last else self.last + usual_seconds


# Receives each packet of the pictures and of all sound while a clip is described.
Watch = Callable[[Any], None]


def describe(path: Path, *, asked_seconds: float | None = None, watch: Watch | None = None) -> Description:
    """Describe a clip for which a duration was asked. Raises BadClip when it cannot be shown within the limits."""
    container = container_of(path)
    if container is None:
        raise BadClip(UNREADABLE, "is not an MP4, QuickTime, WebM or Matroska file")
    with opened(path, container) as file:
        video = video_of(file)
        check_size(video.codec_context.width, video.codec_context.height)
        spans = _spans(file, video, limits.longest_seconds(asked_seconds), watch)
        seen = spans.pop(video.index)
        found = pace.pace_of(seen.times, video.average_rate)
        pictures = _pictures(video, _first_picture(file, video), seen, found)
        sound = _sound(file, spans)
        if container.demuxer in ("mp4", "mov"):
            _check_number(video, seen.packets)
        else:
            _check_seconds(file, pictures)
    return Description(container, pictures, sound)


def displayed_size(width: int, height: int, pixel_aspect: Fraction, turn: Turn) -> tuple[int, int]:
    """Return width and height as shown, in square pixels, of a coded picture; no side shrinks."""
    if pixel_aspect > 1:
        width = round(width * pixel_aspect)
    elif pixel_aspect < 1:
        height = round(height / pixel_aspect)
    return (height, width) if turn.swaps_sides else (width, height)


# Titles and comments may have any encoding; they are not read. PyAV 19 accepts them by itself.
_ANY_TEXT: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}


@contextmanager
def opened(path: Path, container: Container) -> Generator[InputContainer]:
    """Open a clip. Raises BadClip for any error of FFmpeg while it is open."""
    try:
        options = dict(limits.OPTIONS)
        opening = cast("Any", av).open(str(path), format=container.demuxer, options=options, **_ANY_TEXT)
        with cast("InputContainer", opening) as file:
            for stream in file.streams.video:
                if cast("object", stream.codec_context) is None:
                    continue
                stream.codec_context.options = dict(limits.OPTIONS)
                stream.codec_context.thread_count = 1
            yield file
    except FFmpegError as error:
        if error.errno == errno.ENOMEM:
            raise BadClip(TOO_LARGE, "needs more memory than a clip may take") from error
        raise BadClip(UNREADABLE, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        # PyAV: text that is not Unicode, a format it does not know.
        raise BadClip(UNREADABLE, "cannot be read") from error


def check_size(width: int, height: int) -> None:
    """Raise BadClip for a picture without a size or larger than 8K."""
    if width <= 0 or height <= 0:
        raise BadClip(UNREADABLE, "does not say how large its pictures are")
    if width * height > limits.LARGEST_PIXELS or max(width, height) > limits.LARGEST_SIDE:
        raise BadClip(TOO_LARGE, f"has pictures of {width}x{height} pixels, more than {limits.LARGEST_PIXELS} in all")


def colour_of(picture: Any) -> Colour:
    """Return the colours of a decoded picture."""
    return Colour(picture.color_primaries, picture.color_trc, picture.colorspace, picture.color_range)


def turn_of_picture(picture: Any) -> Turn:
    """Return the orientation that the container gives to a decoded picture."""
    matrix = picture.side_data.get("DISPLAYMATRIX")
    return turn_of(bytes(matrix) if matrix is not None else None)


def video_of(file: InputContainer) -> VideoStream:
    """Return the first video stream that is not a cover picture."""
    for stream in file.streams.video:
        # A stream of an unknown codec has no context.
        known = cast("object", stream.codec_context) is not None
        if known and not stream.disposition & Disposition.attached_pic:
            return stream
    raise BadClip(WITHOUT_PICTURE, "has no video track")


def _spans(file: InputContainer, video: VideoStream, longest: float, watch: Watch | None) -> dict[int, Span]:
    """Read all packets of the pictures and of sound, and decode none. Return the spans by the index of the stream."""
    sounds = [stream for stream in file.streams.audio if cast("object", stream.codec_context) is not None]
    spans = {stream.index: Span() for stream in (video, *sounds)}
    for packet in cast("Iterable[Any]", file.demux(video, *sounds)):
        if not packet.size:
            continue
        if packet.is_corrupt:
            # Demuxers of files mark a packet of which only a part could be read.
            raise BadClip(TRUNCATED, "is cut off within a packet")
        if watch is not None:
            watch(packet)
        span = spans[packet.stream_index]
        span.add(packet)
        if span.packets > limits.MOST_PACKETS:
            raise BadClip(TOO_LONG, f"has more than {limits.MOST_PACKETS} pictures or packets of sound")
    if not spans[video.index].times:
        raise BadClip(WITHOUT_PICTURE, "has no pictures")
    if any(span.times and span.end(Fraction(0)) - span.start > longest for span in spans.values()):
        raise BadClip(TOO_LONG, f"is longer than {longest:g} seconds")
    return spans


def _first_picture(file: InputContainer, video: VideoStream) -> Any:
    """Decode one picture, from the start of the file."""
    file.seek(0)
    picture = next(iter(cast("Iterable[Any]", file.decode(video))), None)
    if picture is None:
        raise BadClip(WITHOUT_PICTURE, "has no picture that can be decoded")
    check_size(picture.width, picture.height)
    return picture


def _pictures(video: VideoStream, first: Any, seen: Span, found: Pace) -> Pictures:
    context = video.codec_context
    start = seen.start
    return Pictures(
        codec=context.codec.canonical_name,
        profile=context.profile,
        setup=bytes(context.extradata or b""),
        width=first.width,
        height=first.height,
        pixel_aspect=_aspect(video),
        turn=turn_of_picture(first),
        pixel_format=first.format.name,
        bits=max(component.bits for component in first.format.components),
        colour=colour_of(first),
        interlaced=first.interlaced_frame,
        pace=found,
        start=start,
        last=seen.last,
        seconds=max(seen.end(1 / found.rate) - start, Fraction(1, 1000)),
        number=len(seen.times),
    )


def _aspect(video: VideoStream) -> Fraction:
    """Return the width of a pixel divided by its height; 1 when it is not given or absurd."""
    aspect = video.sample_aspect_ratio or video.codec_context.sample_aspect_ratio
    return aspect if aspect and Fraction(1, 16) <= aspect <= 16 else Fraction(1)


def _sound(file: InputContainer, spans: Mapping[int, Span]) -> Sound | None:
    """Describe the first audio stream that has packets."""
    for audio in file.streams.audio:
        span = spans.get(audio.index)
        if span is not None and span.times:
            context, start = audio.codec_context, span.start
            setup = bytes(context.extradata or b"")
            seconds = span.end(Fraction(0)) - start
            name = context.codec.canonical_name
            return Sound(audio.index, name, setup, context.sample_rate, context.channels, start, seconds)
    return None


def _check_number(video: VideoStream, packets: int) -> None:
    """Raise BadClip when an ISO file holds fewer pictures than it announces, shown or not.

    FFmpeg removes those from the index that an edit list leaves out, but not from the announced number.
    """
    announced = min(video.frames, len(cast("Any", video).index_entries)) if video.frames else 0
    if packets < announced:
        raise BadClip(TRUNCATED, f"is cut off: it has {packets} of {announced} pictures")


def _check_seconds(file: InputContainer, pictures: Pictures) -> None:
    """Raise BadClip when a WebM or Matroska file announces a longer time than it holds."""
    if file.duration is None:
        return
    announced = Fraction(file.duration, MICROSECONDS)
    held = pictures.start + pictures.seconds
    if announced - held > MISSING_SECONDS + announced / 10:
        raise BadClip(TRUNCATED, f"is cut off after {float(held):.1f} of {float(announced):.1f} seconds")
