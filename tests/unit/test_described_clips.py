"""Clips that are whole though they look damaged, and damaged though they look whole."""

from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import pytest
from av.error import FFmpegError

from providers.clips.description import describe
from providers.clips.problems import TRUNCATED, BadClip
from providers.joining import video
from providers.joining.wire import Clip
from tests.support import odd_clips
from tests.support.odd_clips import KINDS, Odd
from tests.support.played_clips import play

RATE = 24
TWO_SECONDS = Odd(times=tuple(Fraction(number, RATE) for number in range(2 * RATE)), options=(("g", "16"),))


def remuxed(source: Path, target: Path, container: str, *, earlier: Fraction = Fraction(0), **options: Any) -> Path:
    """Copy the packets of a clip into another file, shown earlier; those before zero are left out by an edit list."""
    with (
        cast("Any", av.open(str(source))) as reading,
        cast("Any", av.open(str(target), "w", format=container, **options)) as writing,
    ):
        stream = writing.add_stream_from_template(reading.streams.video[0])
        writing.metadata["title"] = "TITLE"
        for packet in reading.demux(video=0):
            if packet.size:
                shift = round(earlier / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                writing.mux(packet)
    return target


@pytest.mark.parametrize("container", ["mp4", "mov"])
@pytest.mark.parametrize("trimmed", [Fraction(1, 3), Fraction(5, 4)])
def test_clip_that_was_trimmed_by_an_edit_list_is_whole(tmp_path: Path, container: str, trimmed: Fraction) -> None:
    """As players and telephones trim: the file still holds the pictures that are not shown."""
    whole = odd_clips.make(tmp_path / "whole.mp4", TWO_SECONDS)
    clip = remuxed(whole, tmp_path / "trimmed", container, earlier=trimmed)
    pictures = describe(clip).pictures
    assert pictures.seconds == pytest.approx(float(2 - trimmed), abs=1 / RATE)
    joined = video.join(video.plan([Clip(str(clip), "video/mp4")] * 2), tmp_path / "joined.mp4")
    assert joined.seconds == pytest.approx(float(2 * pictures.seconds), abs=0.01)
    assert play(tmp_path / "joined.mp4").seconds == pytest.approx(joined.seconds, abs=0.05)


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_title_in_another_encoding_than_unicode_makes_no_clip_unreadable(tmp_path: Path, container: str) -> None:
    """Encoders of other countries write their own."""
    clip = remuxed(odd_clips.make(tmp_path / "plain.mp4", KINDS["plain"]), tmp_path / "clip", container)
    content = clip.read_bytes()
    assert b"TITLE" in content
    clip.write_bytes(content.replace(b"TITLE", b"\xb1\xea\xcc\xe2\xe9"))
    assert describe(clip).pictures.number == len(KINDS["plain"].times)
    video.join(video.plan([Clip(str(clip), "video/mp4")] * 2), tmp_path / "joined.mp4")


@pytest.mark.parametrize("share", [Fraction(1, 3), Fraction(9, 10)])
def test_clip_that_was_cut_off_in_a_box_without_a_size_is_truncated(tmp_path: Path, share: Fraction) -> None:
    """A box of size 0 goes to the end of the file, wherever that is: only its packets show where."""
    whole = odd_clips.make(tmp_path / "whole.mp4", TWO_SECONDS)
    options = {"movflags": "faststart"}
    content = bytearray(remuxed(whole, tmp_path / "clip", "mp4", container_options=options).read_bytes())
    at = content.index(b"mdat")
    content[at - 4 : at] = bytes(4)
    clip = tmp_path / "cut"
    clip.write_bytes(content)
    describe(clip)
    clip.write_bytes(content[: at + int((len(content) - at) * share)])
    with pytest.raises(BadClip) as caught:
        describe(clip)
    assert caught.value.code == TRUNCATED


@pytest.mark.parametrize("name", ["a:b", "a\\b", "a'b", "a, b;[c]"])
def test_tables_of_colours_are_read_from_any_folder(tmp_path: Path, name: str) -> None:
    """Whatever its name: filters have a language of their own."""
    folder = tmp_path / name
    folder.mkdir()
    clip = odd_clips.make(tmp_path / "clip.mp4", KINDS["h264 hlg"])
    joined = video.join(video.plan([Clip(str(clip), "video/mp4")]), folder / "joined.mp4")
    assert "TONE_MAPPED" in [each.code for each in joined.adjustments]


@pytest.mark.parametrize(("kind", "stream"), [("prores", 0), ("sound", 1)])
def test_damaged_packet_in_the_middle_of_a_clip_is_left_out_of_the_joined_video(
    tmp_path: Path, kind: str, stream: int
) -> None:
    """As when its take was completed; the clip is as long as before."""
    clip = odd_clips.make(tmp_path / "clip", KINDS[kind])
    with cast("Any", av.open(str(clip))) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(file.streams[stream]) if packet.size]
    at, size = packets[len(packets) // 2]
    content = bytearray(clip.read_bytes())
    content[at : at + size] = b"\xaa" * size
    clip.write_bytes(content)
    with cast("Any", av.open(str(clip))) as file, pytest.raises(FFmpegError):
        list(file.decode(file.streams[stream]))
    plain = odd_clips.make(tmp_path / "plain.mp4", KINDS["plain"])
    joined = video.join(video.plan([Clip(str(path), "video/mp4") for path in (clip, plain)]), tmp_path / "joined.mp4")
    assert play(tmp_path / "joined.mp4").seconds == pytest.approx(joined.seconds, abs=0.05)
    assert joined.seconds == pytest.approx(float(KINDS[kind].seconds + KINDS["plain"].seconds), abs=0.05)
