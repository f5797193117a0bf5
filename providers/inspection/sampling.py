"""Pictures of a clip for its poster and preview, decoded so that its head and its tail have been decoded as well."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from PIL import Image

from providers.clips.description import Description, check_size, opened, video_of
from providers.clips.problems import TRUNCATED, UNREADABLE, BadClip
from providers.inspection.images import Images
from providers.render import stills

POSTER_PLACE = 0.4
# Measured: H.264 takes 3 ms of processor time for a picture of 1280x720. All pictures of a clip are decoded if they
# have fewer pixels than this in all, which takes two seconds; of others the head, the tail and some in between.
MOST_PIXELS = 600_000_000
# The last pictures may be missing by this much: some decoders need a picture behind them.
MISSING_SECONDS = 0.25
MISSING_PICTURES = 3


class Tail(NamedTuple):
    """The last key picture of a clip: its time in seconds, and the number of pictures from there to the end."""

    at: float
    pictures: int


class Sample(NamedTuple):
    """The image for the poster, and thumbnails spread over the clip for the preview."""

    poster: Image.Image
    thumbnails: list[Image.Image]


def sample(path: Path, clip: Description, tail: Tail, folder: Path) -> Sample:
    """Decode pictures of the clip; tables of colours are written to the folder.

    Raises BadClip when most pictures, or the last ones, cannot be decoded.
    """
    pictures = clip.pictures
    pixels = pictures.width * pictures.height
    seen = _Seen(clip, folder)
    with opened(path, clip.container) as file:
        video = video_of(file)
        if pictures.number * pixels <= MOST_PIXELS:
            for picture in decoded(file, video):
                seen.add(picture)
            _check_end(clip, seen.last)
            if 2 * seen.number < pictures.number:
                reason = f"is damaged: only {seen.number} of its {pictures.number} pictures can be decoded"
                raise BadClip(UNREADABLE, reason)
        else:
            for due in seen.places:
                picture = first_at(file, video, due)
                if picture is not None:
                    seen.add(picture, at_place=True)
            if tail.pictures * pixels <= MOST_PIXELS:
                seek(file, video, tail.at)
                _check_end(clip, max((_time(picture) for picture in decoded(file, video)), default=tail.at))
    return seen.sample()


class _Seen:
    """The pictures decoded so far, of which those at the places of the preview are kept as images."""

    def __init__(self, clip: Description, folder: Path) -> None:
        pictures = clip.pictures
        start, seconds = float(pictures.start), float(pictures.seconds)
        self._images = Images(pictures, folder)
        self.places = [start + number * seconds / stills.PREVIEW_FRAMES for number in range(stills.PREVIEW_FRAMES)]
        self._poster_at = start + seconds * POSTER_PLACE
        self._poster: tuple[float, Image.Image] | None = None
        self._thumbnails: list[Image.Image] = []
        self._due = 0
        self.number = 0
        self.last = start

    def add(self, picture: Any, *, at_place: bool = False) -> None:
        """Take a decoded picture into account. Raises BadClip when it is too large."""
        check_size(picture.width, picture.height)
        at = _time(picture)
        self.number += 1
        self.last = max(self.last, at)
        if not at_place:
            if self._due == len(self.places) or at < self.places[self._due]:
                return
            while self._due < len(self.places) and self.places[self._due] <= at:
                self._due += 1
        image = self._images.image(picture)
        self._thumbnails.append(stills.thumbnail(image))
        distance = abs(at - self._poster_at)
        if self._poster is None or distance < self._poster[0]:
            self._poster = (distance, image)

    def sample(self) -> Sample:
        """Return the images. Raises BadClip when no picture could be decoded."""
        if self._poster is None:
            raise BadClip(UNREADABLE, "has no picture that can be decoded")
        return Sample(self._poster[1], self._thumbnails)


def decoded(file: InputContainer, video: VideoStream) -> Iterator[Any]:
    """Yield the pictures that can be decoded, from where the file stands; damaged ones are left out."""
    for packet in cast("Iterable[Any]", file.demux(video)):
        try:
            pictures = packet.decode()
        except FFmpegError:
            continue
        yield from (picture for picture in pictures if not picture.is_corrupt)


def first_at(file: InputContainer, video: VideoStream, seconds: float) -> Any | None:
    """Return the first picture that can be decoded from the key picture before this time on."""
    seek(file, video, seconds)
    return next(decoded(file, video), None)


def seek(file: InputContainer, video: VideoStream, seconds: float) -> None:
    """Go to the key picture before this time of the clip's clock."""
    # PyAV leaves the time base open for streams without one, which no demuxer of ours makes.
    file.seek(round(seconds / cast("Any", video).time_base), stream=video)


def _check_end(clip: Description, last_decoded: float) -> None:
    """Raise BadClip (TRUNCATED) when the picture decoded last is shown too long before the last one."""
    missing = float(clip.pictures.last) - last_decoded
    if missing > max(MISSING_SECONDS, MISSING_PICTURES / float(clip.pictures.pace.rate)):
        raise BadClip(TRUNCATED, f"is damaged at its end: the last {missing:.1f} seconds cannot be decoded")


def _time(picture: Any) -> float:
    return float(picture.time) if picture.pts is not None else 0.0
