"""A clip to join: what it is, how long it is shown, and whether its packets can be copied."""

import errno
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from providers.clips import description
from providers.clips.description import Description
from providers.clips.problems import UNREADABLE, BadClip
from providers.joining.copying import SILENCE_SECONDS, CopyCheck, audio_format, video_format
from providers.joining.media import decoded
from providers.joining.wire import Clip

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# Where every picture is a key picture, looking through them would take longer than a clip may: these take 20 s at most.
MOST_KEY_PIXELS = 2_000_000_000


class UnusableClip(Exception):
    """A clip, counted from 1, cannot be shown."""

    def __init__(self, number: int, problem: BadClip) -> None:
        super().__init__(f"clip {number}: {problem}")
        self.number = number
        self.code = problem.code
        self.reason = problem.reason


class Source(NamedTuple):
    """A clip. It begins at `start` by its own clock, and is shown for `seconds`.

    Its last picture is held for the last `held` of them, while its sound goes on.
    """

    number: int
    path: Path
    clip: Description
    start: Fraction
    seconds: Fraction
    held: Fraction
    video_copyable: bool
    audio_copyable: bool

    @contextmanager
    def open(self) -> Generator[InputContainer]:
        """Open the clip. Raises UnusableClip for any error of it while it is open."""
        with _blaming(self.number), description.opened(self.path, self.clip.container) as container:
            yield container

    def sound_in(self, container: InputContainer) -> AudioStream | None:
        """Return the described audio stream of the opened clip."""
        sound = self.clip.sound
        return next((each for each in container.streams.audio if sound and each.index == sound.stream_index), None)


def look_at(number: int, clip: Clip) -> Source:
    """Read all packets of a clip, and decode its first picture. Raises UnusableClip."""
    check = CopyCheck()
    path = Path(clip.path)
    with _blaming(number):
        if not clip.content_type.lower().startswith("video/"):
            raise BadClip(UNREADABLE, f"is kept as {clip.content_type}, not as a video")
        found = description.describe(path, asked_seconds=clip.asked_seconds, watch=check.watch)
        pictures, sound = found.pictures, found.sound
        start, end = pictures.start, pictures.start + pictures.seconds
        held = Fraction(0)
        if sound is not None:
            # Sound that comes before or after the pictures is kept: the first or the last picture is held.
            if start - sound.start > SILENCE_SECONDS:
                start = sound.start
            if sound.start + sound.seconds - end > SILENCE_SECONDS:
                held = sound.start + sound.seconds - end
        copyable = check.pictures_fit(found) and start == pictures.start and _keeps_its_size(path, found)
        audible = check.sound_fits(found, start, end + held)
    return Source(number, path, found, start, end + held - start, held, copyable, audible)


def _keeps_its_size(path: Path, clip: Description) -> bool:
    """Return whether all key pictures are as large as the first: those of AV1 and VP9 bring their own size.

    The size of H.264 is in parameter sets, which were compared already. Too many key pictures are not looked at.
    """
    if clip.pictures.codec == "h264":
        return True
    size = (clip.pictures.width, clip.pictures.height)
    left = MOST_KEY_PIXELS // (size[0] * size[1])
    with description.opened(path, clip.container) as container:
        for packet in cast("Any", container.demux(description.video_of(container))):
            if packet.size and packet.is_keyframe:
                left -= 1
                if left < 0:
                    return False
                for picture in decoded(packet):
                    if (picture.width, picture.height) != size:
                        return False
    return True


def pictures_copyable(sources: Sequence[Source]) -> bool:
    """Return whether the pictures of these clips can be copied."""
    first = video_format(sources[0].clip)
    return all(source.video_copyable and video_format(source.clip) == first for source in sources)


def sound_copyable(sources: Sequence[Source]) -> bool:
    """Return whether the sound of these clips can be copied."""
    first = audio_format(sources[0].clip)
    return all(source.audio_copyable and audio_format(source.clip) == first for source in sources)


@contextmanager
def _blaming(number: int) -> Generator[None]:
    try:
        yield
    except BadClip as problem:
        cause = problem.__cause__
        if isinstance(cause, FFmpegError) and cause.errno in NO_ROOM:
            # The output is written while clips are read: the disk is full, and no clip is broken.
            raise cause from None
        raise UnusableClip(number, problem) from problem
