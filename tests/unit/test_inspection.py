"""The inspecting process: its limits, its end, and the check of clips where they are made."""

import asyncio
import os
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import pytest

from providers.clips.containers import MP4, WEBM, container_of
from providers.clips.problems import TRUNCATED, BadClip
from providers.inspection import look, sampling
from providers.inspection.inspector import inspect
from providers.inspection.whole import check_whole
from providers.port import Failure
from tests.support import delivered_files
from tests.support.delivered_files import BAD
from tests.support.odd_clips import KINDS, Odd, make
from tests.support.os_processes import children_of, new_child, on_linux, runs, soft_limit
from tests.support.waiting import eventually

# Only decoding more than the outer key pictures shows that these are damaged.
DAMAGED_BETWEEN = ("damaged",)
GIBIBYTE = 1 << 30


@on_linux
async def test_inspecting_process_has_limits_and_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    """On CPU time and memory, before it opens the clip; the pipe that stands in for one makes it wait there."""
    os.mkfifo(tmp_path / "clip")
    before = set(children_of(os.getpid()))
    inspecting = asyncio.create_task(inspect(tmp_path / "clip", tmp_path, 1.0))
    try:
        child = await new_child(before, "providers.inspection")
        expected = {"Max address space": 3 * GIBIBYTE, "Max cpu time": 60, "Max core file size": 0}
        await eventually(lambda: {name: soft_limit(child, name) for name in expected} == expected)
        assert not inspecting.done()
    finally:
        inspecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await inspecting
    assert not runs(child)


@on_linux
async def test_full_disk_is_not_blamed_on_the_clip(tmp_path: Path) -> None:
    """It may be paid for: it is looked at again when there is room."""
    clip = make(tmp_path / "clip", KINDS["plain"])
    (tmp_path / "poster.webp").symlink_to("/dev/full")
    with pytest.raises(Failure) as caught:
        await inspect(clip, tmp_path, 1.0)
    assert caught.value.code == "INSPECTION_UNAVAILABLE"
    assert "No space left" in caught.value.message


@pytest.mark.parametrize("file", [name for name in BAD if name not in DAMAGED_BETWEEN])
def test_clip_that_cannot_be_shown_does_not_pass_where_it_is_made(tmp_path: Path, file: str) -> None:
    """So that it is looked at by the inspecting process, which says why."""
    BAD[file].make(tmp_path / "clip")
    assert not look.passes(tmp_path / "clip", 1.0)


@pytest.mark.parametrize(("file", "passes"), [("plain", True), ("sound", True), ("hevc", False), ("quicktime", False)])
def test_clip_that_browsers_play_passes_where_it_is_made(tmp_path: Path, file: str, passes: bool) -> None:
    """Others need a rendition."""
    make(tmp_path / "clip", KINDS[file])
    assert look.passes(tmp_path / "clip", 1.0) is passes


@pytest.mark.parametrize("file", ["plain", "b frames", "vp9", "variable rate", "turned by 90", "late first picture"])
def test_costly_clip_is_sampled_as_a_usual_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """Its size and duration are the same; of its pictures only some are decoded."""
    clip = make(tmp_path / "clip", KINDS[file])
    usual = look.look(clip, tmp_path, 1.0)
    monkeypatch.setattr(sampling, "MOST_PIXELS", 0)
    costly = look.look(clip, tmp_path, 1.0)
    assert costly.clip == usual.clip
    assert (costly.poster.width, costly.poster.height) == (usual.poster.width, usual.poster.height)


@pytest.mark.parametrize("share", [Fraction(number, 20) for number in range(1, 20)])
@pytest.mark.parametrize("kind", [delivered_files.PLAIN, delivered_files.WEBM], ids=["mp4", "webm"])
def test_file_that_was_cut_off_anywhere_is_truncated(tmp_path: Path, kind: Odd, share: Fraction) -> None:
    """By its structure alone, before anything is decoded."""
    clip = make(tmp_path / "clip", kind)
    content = clip.read_bytes()
    container = container_of(clip)
    assert container is not None
    assert container in (MP4, WEBM)
    check_whole(clip, container)
    clip.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadClip) as caught:
        check_whole(clip, container)
    assert caught.value.code == TRUNCATED


@pytest.mark.parametrize("boxes", [1, 3, 4, 6, 7])
def test_fragmented_clip_that_was_cut_off_between_its_boxes_is_truncated(tmp_path: Path, boxes: int) -> None:
    """Unless it ends behind a whole fragment: such a file does not say how many it has."""
    content = fragmented(tmp_path)
    ends = [at for at, _ in boxes_of(content)][1:]
    clip = tmp_path / "cut"
    clip.write_bytes(content)
    check_whole(clip, MP4)
    clip.write_bytes(content[: ends[boxes - 1]])
    with pytest.raises(BadClip) as caught:
        check_whole(clip, MP4)
    assert caught.value.code == TRUNCATED


def fragmented(folder: Path) -> bytes:
    """Return a clip of fragments that begin with an index each: ftyp, moov, then sidx, moof, mdat for every one."""
    options = {"movflags": "dash+frag_keyframe+empty_moov"}
    make(folder / "whole", delivered_files.PLAIN)
    with (
        cast("Any", av.open(str(folder / "whole"))) as source,
        cast("Any", av.open(str(folder / "fragmented"), "w", format="mp4", container_options=options)) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    return (folder / "fragmented").read_bytes()


def boxes_of(mp4: bytes) -> list[tuple[int, bytes]]:
    """Return the place and the type of each box of the file."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(mp4):
        found.append((at, mp4[at + 4 : at + 8]))
        at += int.from_bytes(mp4[at : at + 4])
    return found


@pytest.mark.parametrize("behind", [bytes(64), b"\xff" * 64, b"\0\0\0\x40padd" + bytes(8), b"\x1f\x43\xb6"])
@pytest.mark.parametrize("file", ["plain", "vp9"])
def test_bytes_behind_a_clip_are_ignored(tmp_path: Path, file: str, behind: bytes) -> None:
    """As players do."""
    clip = make(tmp_path / "clip", KINDS[file])
    clip.write_bytes(clip.read_bytes() + behind)
    look.look(clip, tmp_path, 1.0)
