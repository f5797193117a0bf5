"""Looks at a clip: whether it can be shown, what it is, and its poster and preview."""

from pathlib import Path
from typing import Any

from providers.clips.containers import container_of
from providers.clips.description import Description, describe, opened, video_of
from providers.clips.problems import UNREADABLE, WITHOUT_PICTURE, BadClip
from providers.inspection.playable import is_playable
from providers.inspection.sampling import Tail, first_at, sample
from providers.inspection.whole import check_whole
from providers.inspection.wire import Seen
from providers.port import Asset
from providers.render import stills

# The first bytes of MP3 files, with and without a tag, and of FLAC.
_SOUND_FILES = (b"ID3", b"\xff\xfb", b"\xff\xf3", b"fLaC")


def look(path: Path, folder: Path, asked_seconds: float | None) -> Seen:
    """Look at a clip of any make, and write its poster and preview into the folder.

    Size and duration are those of the clip as it is displayed. Raises BadClip when it cannot be shown.
    """
    clip, tail = described(path, asked_seconds)
    found = sample(path, clip, tail, folder)
    preview_seconds = len(found.thumbnails) * stills.PREVIEW_SECONDS_PER_FRAME
    return Seen(
        Asset(path, clip.container.content_type, *clip.pictures.displayed, float(clip.pictures.seconds)),
        stills.poster(found.poster).write(folder / "poster.webp"),
        stills.preview(found.thumbnails).write(folder / "preview.webp", preview_seconds),
        is_playable(clip),
    )


def passes(path: Path, asked_seconds: float) -> bool:
    """Return whether a clip of our own can be shown, by its packets and two key pictures, and whether browsers play it.

    For the program that has just encoded it; decoding more of it would only repeat what the encoder did.
    """
    try:
        clip, tail = described(path, asked_seconds)
        with opened(path, clip.container) as file:
            last = first_at(file, video_of(file), tail.at)
    except BadClip:
        return False
    return last is not None and is_playable(clip)


def described(path: Path, asked_seconds: float | None) -> tuple[Description, Tail]:
    """Describe a whole clip, and where its end begins. Raises BadClip when it cannot be shown."""
    container = container_of(path)
    if container is None:
        _explain(path)
    else:
        check_whole(path, container)
    ends = _Ends()
    clip = describe(path, asked_seconds=asked_seconds, watch=ends.watch)
    return clip, ends.tail(clip)


def _explain(path: Path) -> None:
    """Raise BadClip for a file that is obviously something else than a clip."""
    with path.open("rb") as file:
        head = file.read(12)
    if not head:
        raise BadClip(UNREADABLE, "is empty")
    if head.startswith(_SOUND_FILES) or head[8:] == b"WAVE":
        raise BadClip(WITHOUT_PICTURE, "is a sound file")


class _Ends:
    """The last key picture of a clip, found while its packets are read."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._after = 0

    def watch(self, packet: Any) -> None:
        if packet.stream.type != "video":
            return
        if packet.is_keyframe and packet.pts is not None:
            self._at, self._after = float(packet.pts * packet.time_base), 0
        self._after += 1

    def tail(self, clip: Description) -> Tail:
        if self._at is None:
            # Without a key picture, decoders begin where they can.
            return Tail(float(clip.pictures.start), clip.pictures.number)
        return Tail(self._at, self._after)
