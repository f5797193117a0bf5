"""Clips are joined into one video: copied if their codec parameters are equal, re-encoded otherwise."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
import pytest

from providers.joining.joiner import join
from providers.joining.wire import Clip
from providers.port import Asset, Failure
from tests.support.clips import Kind, make
from tests.support.media_files import boxes

PLAIN = Kind()


class Played(NamedTuple):
    """The properties of a decoded video."""

    codec: str
    pixels: str | None
    size: tuple[int, int]
    times: list[Fraction]
    seconds: float
    audio_codec: str | None
    audio_seconds: float


def play(path: Path) -> Played:
    """Decode a video; its times must increase strictly, in file order and in display order."""
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], next(iter(container.streams.audio), None)
        before: dict[int, int] = {}
        times: list[Fraction] = []
        samples = 0
        for packet in cast("Any", container.demux()):
            if packet.dts is not None:
                assert packet.dts > before.get(packet.stream_index, packet.dts - 1)
                before[packet.stream_index] = packet.dts
            for frame in packet.decode():
                if packet.stream_index == video.index:
                    times.append(Fraction(frame.pts) * frame.time_base)
                else:
                    samples += frame.samples
        assert times == sorted(set(times))
        context = video.codec_context
        return Played(
            context.name,
            context.pix_fmt,
            (context.width, context.height),
            times,
            (container.duration or 0) / 1e6,
            audio.codec_context.name if audio else None,
            samples / audio.codec_context.sample_rate if audio else 0.0,
        )


async def joined(folder: Path, *kinds: Kind) -> tuple[Asset, Played]:
    """Encode clips and join them."""
    paths = [make(folder / f"{number}.{kind.container}", kind) for number, kind in enumerate(kinds)]
    clips = [Clip(str(path), kind.content_type) for path, kind in zip(paths, kinds, strict=True)]
    asset = await join(clips, folder)
    assert boxes(asset.path.read_bytes())[:2] == ["ftyp", "moov"]
    return asset, play(asset.path)


def coded(path: Path) -> list[bytes]:
    """Return the encoded pictures of a clip."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]


@pytest.mark.parametrize("b_frames", [0, 2])
async def test_clips_with_equal_parameters_are_copied(tmp_path: Path, b_frames: int) -> None:
    """Every encoded picture is the same, in order, with B-frames too."""
    kinds = [PLAIN._replace(color=color, b_frames=b_frames) for color in ("red", "green", "blue")]
    asset, played = await joined(tmp_path, *kinds)
    assert coded(asset.path) == [each for number in range(3) for each in coded(tmp_path / f"{number}.mp4")]
    assert (asset.width, asset.height, asset.duration_seconds) == (320, 180, 1.5)
    assert played.seconds == pytest.approx(1.5, abs=1 / 24)
    assert played.times == [Fraction(number, 24) for number in range(36)]


async def test_sound_of_clips_with_equal_parameters_is_copied(tmp_path: Path) -> None:
    """It lasts as long as the pictures, without drift."""
    kinds = [PLAIN._replace(tone=tone, seconds=0.7) for tone in (300, 400, 500, 600, 700, 800)]
    asset, played = await joined(tmp_path, *kinds)
    assert (played.audio_codec, asset.duration_seconds) == ("aac", pytest.approx(4.25, abs=0.01))
    assert played.audio_seconds == pytest.approx(4.25, abs=0.05)
    assert coded(asset.path) == [each for number in range(6) for each in coded(tmp_path / f"{number}.mp4")]


OTHERS = {
    "another size": PLAIN._replace(width=200, height=200),
    "another frame rate": PLAIN._replace(rate=15, seconds=1.0),
    "another codec": PLAIN._replace(codec="libvpx-vp9", container="webm"),
    "an old codec": PLAIN._replace(codec="libvpx", container="webm"),
    "mpeg4": PLAIN._replace(codec="mpeg4"),
    "odd sides": PLAIN._replace(codec="libvpx-vp9", container="webm", width=161, height=91),
    "sound": PLAIN._replace(tone=440),
    "other sound": PLAIN._replace(tone=440, codec="libvpx-vp9", container="webm", sound="libopus"),
    "slower sound": PLAIN._replace(tone=440, sample_rate=22_050),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
async def test_clips_with_different_parameters_are_reencoded(tmp_path: Path, other: Kind, first: bool) -> None:
    """At the size of the first and the frame rate of the fastest; some clips may have no sound."""
    kinds = [other, PLAIN._replace(tone=200)] if first else [PLAIN, other]
    asset, played = await joined(tmp_path, *kinds)
    seconds = sum(kind.seconds for kind in kinds)
    assert asset.duration_seconds == pytest.approx(seconds, abs=1 / 15)
    assert played.seconds == pytest.approx(seconds, abs=1 / 15)
    assert played.pixels == "yuv420p"
    assert played.codec == "h264"
    assert played.size == (kinds[0].width // 2 * 2, kinds[0].height // 2 * 2) == (asset.width, asset.height)
    assert len(played.times) == pytest.approx(seconds * max(kind.rate for kind in kinds), abs=1)
    assert (played.audio_codec is None) == all(kind.tone is None for kind in kinds)
    if played.audio_codec:
        assert played.audio_seconds == pytest.approx(seconds, abs=0.05)


async def test_many_reencoded_clips_do_not_drift(tmp_path: Path) -> None:
    """The rounding to the frame rate of the fastest does not add up."""
    kinds: Sequence[Kind] = [PLAIN, *(PLAIN._replace(rate=25, seconds=0.28, color="blue") for _ in range(12))]
    _, played = await joined(tmp_path, *kinds)
    assert len(played.times) == round((0.5 + 12 * 0.28) * 25)


async def test_joined_video_is_seekable(tmp_path: Path) -> None:
    """A seek finds a picture of the clip at that time."""
    asset, _ = await joined(tmp_path, *(PLAIN._replace(color=color) for color in ("red", "green", "blue")))
    with av.open(str(asset.path)) as container:
        video = container.streams.video[0]
        container.seek(round(Fraction(5, 4) / (video.time_base or 1)), stream=video)
        frame: Any = next(iter(cast("Any", container.decode(video))))
        red, green, blue = frame.to_image().getpixel((310, 90))
    assert frame.time == 1.0
    assert blue > 200 > 100 > max(red, green)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "nonsense": lambda _: b"nonsense" * 100,
    "half": lambda whole: whole[: len(whole) // 2],
    "a little": lambda whole: whole[:1000],
    "a playlist": lambda _: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
}


class TestBrokenClip:
    """The failure names the clip."""

    @pytest.mark.parametrize("damage", DAMAGE, ids=DAMAGE.keys())
    async def test_broken_clip_is_named_by_its_scene(self, tmp_path: Path, damage: str) -> None:
        """By position, counted from 1."""
        whole = make(tmp_path / "whole.mp4", PLAIN)
        broken = tmp_path / "broken.mp4"
        broken.write_bytes(DAMAGE[damage](whole.read_bytes()))
        with pytest.raises(Failure) as caught:
            await join([Clip(str(whole), "video/mp4"), Clip(str(broken), "video/mp4")], tmp_path)
        assert (caught.value.code, caught.value.retryable) == ("CLIP_UNREADABLE", False)
        assert "scene 2" in caught.value.message

    async def test_clip_that_is_not_a_video_is_refused(self, tmp_path: Path) -> None:
        """By its content type."""
        whole = make(tmp_path / "whole.mp4", PLAIN)
        with pytest.raises(Failure) as caught:
            await join([Clip(str(whole), "image/gif")], tmp_path)
        assert caught.value.code == "CLIP_UNREADABLE"

    async def test_crash_while_joining_clips_is_retryable(self, tmp_path: Path) -> None:
        """Its reason is unknown."""
        with pytest.raises(Failure) as caught:
            await join([], tmp_path, program=("-c", "import os; os.abort()"))
        assert (caught.value.code, caught.value.retryable) == ("JOIN_CRASHED", True)

    async def test_join_that_is_killed_from_outside_blames_no_clip(self, tmp_path: Path) -> None:
        """As by a system without memory."""
        with pytest.raises(Failure) as caught:
            await join([], tmp_path, program=("-c", "import os; os.kill(os.getpid(), 9)"))
        assert (caught.value.code, caught.value.retryable) == ("JOIN_UNAVAILABLE", True)
