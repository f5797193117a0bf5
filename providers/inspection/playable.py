"""Whether browsers play a file as it is."""

from providers.clips.containers import MP4, WEBM, Container
from providers.clips.description import Description
from providers.clips.playable import PLAYED_SOUND, pictures_play

# Codecs that browsers play in these containers only.
_PICTURES: dict[Container, frozenset[str]] = {
    MP4: frozenset({"h264", "vp9", "av1"}),
    WEBM: frozenset({"vp8", "vp9", "av1"}),
}
_SOUND: dict[Container, frozenset[str]] = {MP4: PLAYED_SOUND, WEBM: frozenset({"opus", "vorbis"})}


def is_playable(clip: Description) -> bool:
    """Return whether browsers play the clip: by its container, its pictures and its sound."""
    if clip.pictures.codec not in _PICTURES.get(clip.container, ()) or not pictures_play(clip.pictures):
        return False
    return clip.sound is None or clip.sound.codec in _SOUND[clip.container]
