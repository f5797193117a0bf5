"""Joins clips into one video. Packets are copied if the codec parameters of all clips are equal, else re-encoded."""

from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import cast

import av

from providers.joining.media import Output, demuxed
from providers.joining.pictures import EncodedPictures, even
from providers.joining.sound import EncodedSound
from providers.joining.sources import Source, pictures_copyable, probe, sound_copyable, sound_of
from providers.joining.tracks import CopiedPictures, CopiedSound, Track
from providers.joining.wire import Clip, Shape


def join(clips: Sequence[Clip], target: Path) -> Shape:
    """Join the clips in this order. The index is at the front, so that playback starts before the video is loaded.

    Each clip takes as long as its pictures last. Raises UnreadableClip for a file that is broken or not a clip.
    """
    sources = [probe(number, clip) for number, clip in enumerate(clips, start=1)]
    faststart = {"movflags": "+faststart"}
    with closing(cast("Output", av.open(str(target), "w", format="mp4", container_options=faststart))) as output:
        pictures, sound = _pictures(output, sources), _sound(output, sources)
        at = Fraction(0)
        for source in sources:
            _append(source, at, pictures, sound)
            at += source.seconds
        for track in (pictures, *([sound] if sound else [])):
            track.finish()
    first = sources[0].video
    copied = isinstance(pictures, CopiedPictures)
    size = (first.width, first.height) if copied else (even(first.width), even(first.height))
    return Shape(*size, float(at))


def _pictures(output: Output, sources: Sequence[Source]) -> Track:
    if not pictures_copyable(sources):
        return EncodedPictures(output, sources[0])
    with sources[0].open() as container:
        return CopiedPictures(output, output.add_stream_from_template(container.streams.video[0]))


def _sound(output: Output, sources: Sequence[Source]) -> Track | None:
    if all(source.audio is None for source in sources):
        return None
    if not sound_copyable(sources):
        return EncodedSound(output)
    with sources[0].open() as container:
        return CopiedSound(output, output.add_stream_from_template(sound_of(container)))


def _append(source: Source, at: Fraction, pictures: Track, sound: Track | None) -> None:
    tracks = [pictures, *([sound] if sound else [])]
    for track in tracks:
        track.begin(source, at)
    with source.open() as container:
        video = container.streams.video[0]
        audio = sound_of(container) if sound and source.audio else None
        for packet in demuxed(container, video, audio):
            track = pictures if packet.stream_index == video.index else sound
            if track is not None:
                track.add(packet)
    for track in tracks:
        track.end(at + source.seconds)
