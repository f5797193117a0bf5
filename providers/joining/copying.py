"""Whether the packets of clips can be copied into one stream: what a clip holds, and whether two clips are equal."""

from fractions import Fraction
from typing import Any, NamedTuple

from providers.clips.colour import Colour
from providers.clips.description import Description
from providers.clips.playable import PLAYED_SOUND, pictures_play
from providers.clips.turn import Turn

# Codecs that browsers play in an MP4 file; VP8 has no place in one.
COPIED_VIDEO = frozenset({"h264", "vp9", "av1"})
# Sound may begin late or end early by this much; with more, players stutter.
SILENCE_SECONDS = Fraction(1, 10)
# Rec. ITU-T H.264, table 7-1: sequence and picture parameter sets.
_PARAMETER_SETS = (7, 8)
_NAL_TYPE = 0x1F
# ISO/IEC 14496-15, 5.3.3.1: byte 4 of an avcC box ends in the length of the length fields, minus one.
_LENGTH_AT, _LENGTH_BITS = 4, 0x03


class VideoFormat(NamedTuple):
    """The parameters that must be equal for pictures to be copied."""

    codec: str
    profile: str | None
    setup: bytes
    width: int
    height: int
    pixel_format: str
    pixel_aspect: Fraction
    turn: Turn
    colour: Colour


class AudioFormat(NamedTuple):
    """The parameters that must be equal for sound to be copied."""

    codec: str
    rate: int
    channels: int
    setup: bytes


def video_format(clip: Description) -> VideoFormat:
    """Return what must be equal in all clips whose pictures are copied."""
    it = clip.pictures
    return VideoFormat(
        it.codec, it.profile, it.setup, it.width, it.height, it.pixel_format, it.pixel_aspect, it.turn, it.colour
    )


def audio_format(clip: Description) -> AudioFormat | None:
    """Return what must be equal in all clips whose sound is copied; None for a silent clip."""
    it = clip.sound
    return AudioFormat(it.codec, it.rate, it.channels, it.setup) if it is not None else None


class CopyCheck:
    """Watches the packets of a clip for what stands in the way of copying them."""

    def __init__(self) -> None:
        self._unfit: set[int] = set()
        self._begun: set[int] = set()
        self._video_index: int | None = None
        self._sets: set[bytes] = set()

    def watch(self, packet: Any) -> None:
        """Look at the next packet."""
        index = packet.stream_index
        is_video = packet.stream.type == "video"
        first = index not in self._begun
        self._begun.add(index)
        # The first packet of AAC and Opus only prepares the decoder: it is kept, or dropped behind another clip.
        timed = packet.pts is not None and packet.dts is not None and not (is_video and packet.is_discard)
        changes = packet.has_sidedata("new_extradata") or packet.has_sidedata("param_change")
        if not timed or changes or (first and not packet.is_keyframe):
            self._unfit.add(index)
        if is_video:
            self._video_index = index
            if packet.stream.codec_context.codec.canonical_name == "h264":
                self._sets |= parameter_sets(packet.stream.codec_context.extradata, packet)

    def pictures_fit(self, clip: Description) -> bool:
        """Return whether the pictures can be copied, and browsers play them.

        Parameter sets among the pictures that the container does not announce would hold for the clips behind, too.
        """
        announced = all(each in clip.pictures.setup for each in self._sets)
        plays = clip.pictures.codec in COPIED_VIDEO and pictures_play(clip.pictures)
        return self._video_index not in self._unfit and announced and plays

    def sound_fits(self, clip: Description, start: Fraction, end: Fraction) -> bool:
        """Return whether the sound can be copied, and fills the time from start to end."""
        sound = clip.sound
        if sound is None or sound.codec not in PLAYED_SOUND or sound.stream_index in self._unfit:
            return False
        late, early = sound.start - start, end - (sound.start + sound.seconds)
        return late <= SILENCE_SECONDS and early <= SILENCE_SECONDS


def parameter_sets(setup: bytes | None, packet: Any) -> set[bytes]:
    """Return the parameter sets inside a packet of H.264, which has length fields as its `setup` says."""
    if not setup or setup[0] != 1 or len(setup) <= _LENGTH_AT:
        # Start codes instead of length fields: not from a container, and never equal to a clip that is.
        return {b"unknown framing"}
    data, size, at = memoryview(packet), (setup[_LENGTH_AT] & _LENGTH_BITS) + 1, 0
    found: set[bytes] = set()
    while at + size < len(data):
        length = int.from_bytes(data[at : at + size])
        at += size
        if data[at] & _NAL_TYPE in _PARAMETER_SETS:
            found.add(bytes(data[at : at + length]))
        at += length
    return found
