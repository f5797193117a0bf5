"""Joins clips into one video. Packets are copied if the codec parameters of all clips are equal, else re-encoded."""

from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import cast

import av

from providers.clips.description import video_of
from providers.clips.encoding import VideoCodec
from providers.joining.media import Output, demuxed
from providers.joining.pictures import EncodedPictures
from providers.joining.plan import Plan, adjustments, plan_of
from providers.joining.sound import EncodedSound
from providers.joining.sources import Source, look_at
from providers.joining.tracks import CopiedPictures, CopiedSound, Track
from providers.joining.wire import Clip, Joined


def plan(clips: Sequence[Clip], codec: VideoCodec = VideoCodec.H264) -> Plan:
    """Look at the clips in this order, and plan how to join them. Raises UnusableClip.

    `codec` is that of pictures that are encoded.
    """
    return plan_of([look_at(number, clip) for number, clip in enumerate(clips, start=1)], codec)


def join(plan: Plan, target: Path) -> Joined:
    """Join the clips. The index is at the front, so that playback starts before the video is loaded.

    Each clip takes as long as its pictures last, or its sound where that is longer. Raises UnusableClip.
    """
    faststart = {"movflags": "+faststart"}
    with closing(cast("Output", av.open(str(target), "w", format="mp4", container_options=faststart))) as output:
        pictures, sound = _pictures(output, plan, target.parent), _sound(output, plan)
        at = Fraction(0)
        for source in plan.sources:
            _append(source, at, pictures, sound)
            at += source.seconds
        for track in (pictures, *([sound] if sound else [])):
            track.finish()
    size = plan.target[:2] if plan.target is not None else plan.sources[0].clip.pictures.displayed
    return Joined(*size, float(at), adjustments(plan))


def _pictures(output: Output, plan: Plan, folder: Path) -> Track:
    first = plan.sources[0]
    if plan.target is not None:
        return EncodedPictures(output, first, plan.target, plan.codec, folder)
    with first.open() as container:
        # Opaque: without a search for an encoder, which the wheel lacks for some codecs that it decodes.
        return CopiedPictures(output, output.add_stream_from_template(video_of(container), opaque=True))


def _sound(output: Output, plan: Plan) -> Track | None:
    if all(source.clip.sound is None for source in plan.sources):
        return None
    if not plan.copies_sound:
        return EncodedSound(output)
    with plan.sources[0].open() as container:
        template = plan.sources[0].sound_in(container)
        return CopiedSound(output, output.add_stream_from_template(template, opaque=True))


def _append(source: Source, at: Fraction, pictures: Track, sound: Track | None) -> None:
    tracks = [pictures, *([sound] if sound else [])]
    for track in tracks:
        track.begin(source, at)
    with source.open() as container:
        video = video_of(container)
        audio = source.sound_in(container) if sound else None
        for packet in demuxed(container, video, audio):
            track = pictures if packet.stream_index == video.index else sound
            if track is not None:
                track.add(packet)
        for track in tracks:
            track.end(at + source.seconds)
