"""Packets are copied only where clips are truly equal and browsers play them; otherwise the pictures are encoded."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import pytest

from providers.joining import video
from providers.joining.plan import Plan
from providers.joining.wire import Clip
from tests.support import odd_clips
from tests.support.four_colours import Coding
from tests.support.odd_clips import KINDS, SUFFIXES, Odd, Tone
from tests.support.played_clips import play

PLAIN = KINDS["plain"]


def planned(folder: Path, *kinds: Odd) -> Plan:
    """Make clips and plan how to join them."""
    clips: list[Clip] = []
    for number, kind in enumerate(kinds):
        path = odd_clips.make(folder / f"{number}.{SUFFIXES[kind.container]}", kind)
        clips.append(Clip(str(path), kind.content_type))
    return video.plan(clips)


def packets(path: Path, kind: str) -> Sequence[bytes]:
    """Return the packets of the first stream of a kind."""
    with cast("Any", av.open(str(path))) as container:
        stream = next(each for each in container.streams if each.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


COPIED = (
    *("plain", "b frames", "quicktime", "vp9", "vp9 in mp4", "av1", "av1 in webm", "turned by 90"),
    *("mirrored", "wide pixels", "tagged bt709", "full range", "av1 pq", "one picture", "late first picture"),
)


@pytest.mark.parametrize("name", COPIED)
def test_equal_pictures_are_copied(name: str, tmp_path: Path) -> None:
    """Every packet, in order; the codec counts, not the name of its decoder."""
    plan = planned(tmp_path, KINDS[name], KINDS[name])
    joined = video.join(plan, tmp_path / "joined.mp4")
    paths = [source.path for source in plan.sources]
    assert plan.target is None
    assert joined.adjustments == []
    assert packets(tmp_path / "joined.mp4", "video") == [each for path in paths for each in packets(path, "video")]


@pytest.mark.parametrize("name", ["sound", "mp3 sound", "mono narration", "vp9"])
def test_equal_sound_is_copied(name: str, tmp_path: Path) -> None:
    """AAC, MP3 and Opus, which MP4 files hold and browsers play."""
    plan = planned(tmp_path, KINDS[name], KINDS[name])
    video.join(plan, tmp_path / "joined.mp4")
    assert plan.copies_sound
    held = {packet for source in plan.sources for packet in packets(source.path, "audio")}
    assert set(packets(tmp_path / "joined.mp4", "audio")) <= held


ENCODED = (
    *("all chroma", "half of the chroma", "ten bits", "h264 hlg", "hevc", "hevc pq", "mpeg4", "motion jpeg", "prores"),
    *("rgb h264", "lossless rgb", "animation codec", "vp8", "another size in the middle", "sound before the pictures"),
)


@pytest.mark.parametrize("name", ENCODED)
def test_lone_clip_that_browsers_do_not_play_is_encoded(name: str, tmp_path: Path) -> None:
    """As H.264 with 8 bits, which is reported."""
    joined = video.join(planned(tmp_path, KINDS[name]), tmp_path / "joined.mp4")
    played = play(tmp_path / "joined.mp4")
    assert (played.codec, played.pixel_format) == ("h264", "yuv420p")
    assert "ENCODED" in [each.code for each in joined.adjustments]


DIFFERENT = {
    "orientation": PLAIN._replace(degrees=180),
    "mirror": PLAIN._replace(mirrored=True),
    "shape of pixels": PLAIN._replace(aspect=Fraction(4, 3)),
    "tags of colours": PLAIN._replace(coding=Coding("709"), tagged=True),
    "range": PLAIN._replace(pixel_format="yuvj420p", coding=Coding("601", full=True), tagged=True),
    "size": PLAIN._replace(width=80),
    "parameter sets": PLAIN._replace(options=(("refs", "1"),)),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_clips_that_differ_are_encoded(name: str, tmp_path: Path) -> None:
    """In either order."""
    assert planned(tmp_path, PLAIN, DIFFERENT[name]).target is not None
    assert planned(tmp_path, DIFFERENT[name], PLAIN).target is not None


def test_sound_of_another_make_is_encoded(tmp_path: Path) -> None:
    """While the pictures are copied."""
    plan = planned(tmp_path, PLAIN._replace(tone=Tone()), PLAIN._replace(tone=Tone(rate=44_100)))
    assert (plan.target, plan.copies_sound) == (None, False)


def test_video_of_high_dynamic_range_keeps_it_where_all_clips_are_equal(tmp_path: Path) -> None:
    """AV1 with 10 bits plays in every browser, so the packets and their tags are kept."""
    video.join(planned(tmp_path, KINDS["av1 pq"], KINDS["av1 pq"]), tmp_path / "joined.mp4")
    played = play(tmp_path / "joined.mp4")
    assert (played.transfer, played.pixel_format) == (16, "yuv420p10le")


def test_last_copied_picture_is_held_until_the_sound_ends(tmp_path: Path) -> None:
    """Also that of the last clip; the report names the clips."""
    kind = PLAIN._replace(tone=Tone(seconds=Fraction(1)))
    joined = video.join(planned(tmp_path, kind, kind), tmp_path / "joined.mp4")
    played = play(tmp_path / "joined.mp4")
    assert [(each.code, list(each.clips)) for each in joined.adjustments] == [("PICTURE_HELD", [1, 2])]
    assert played.times[12] == pytest.approx(1.0, abs=0.03)
    assert (joined.seconds, played.shown_seconds) == (pytest.approx(2.0, abs=0.05), pytest.approx(2.0, abs=0.05))
    tenth = Fraction(1, 10)
    for start in (Fraction(0), Fraction(1)):
        assert played.share_of_tone(440, start + tenth, start + 1 - tenth) > 0.9
