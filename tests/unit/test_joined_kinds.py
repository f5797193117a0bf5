"""Clips of sixty kinds are joined in pairs, in both orders: length, orientation, colours, motion, sound are right."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from providers.joining import video
from providers.joining.wire import Clip, Joined
from tests.support import odd_clips
from tests.support.four_colours import BLUE, GREEN, RED, WHITE, quadrants
from tests.support.odd_clips import KINDS, SUFFIXES, Odd
from tests.support.played_clips import Played, play
from tests.support.property_settings import EFFORT

NAMES = list(KINDS)
# Each kind meets the plain one and that which is so far away in the list, so that neighbours of one sort do not meet
# each other only; `make proof` joins all pairs, `make test` those with the plain one.
FAR = (23,)
FAR_EFFORT = 0.3
ALL_PAIRS_EFFORT = 20
# Colours that BT.709 lacks are approximated; all others are rounded only, and smeared by the encoders.
TOLERANCE, WIDE_TOLERANCE = 26, 60
HDR = (16, 18)
QUIET, LOUD = 0.02, 0.1


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One clip of each kind that was needed so far."""
    return {"folder": tmp_path_factory.mktemp("clips")}


def partners(name: str) -> Iterator[str]:
    """Yield the kinds that a kind is joined with."""
    if ALL_PAIRS_EFFORT <= EFFORT:
        yield from NAMES
        return
    at = NAMES.index(name)
    far = [NAMES[(at + each) % len(NAMES)] for each in FAR] if EFFORT >= FAR_EFFORT else []
    yield from dict.fromkeys([NAMES[0], name, *far])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_kind_of_clip_is_joined_with_others_in_both_orders(name: str, clips: dict[str, Path], tmp_path: Path) -> None:
    """Also with itself, where it may be copied."""
    for partner in partners(name):
        for pair in {(name, partner), (partner, name)}:
            paths = [made(clips, each) for each in pair]
            try:
                check([KINDS[each] for each in pair], paths, tmp_path / "joined.mp4")
            except AssertionError as error:
                raise AssertionError(f"{pair[0]} + {pair[1]}: {error}") from error


def made(clips: dict[str, Path], name: str) -> Path:
    """Return the clip of a kind."""
    if name not in clips:
        kind = KINDS[name]
        clips[name] = odd_clips.make(clips["folder"] / f"{NAMES.index(name)}.{SUFFIXES[kind.container]}", kind)
    return clips[name]


def check(kinds: list[Odd], paths: list[Path], target: Path) -> None:
    """Join clips, and compare the video with what their kinds say."""
    plan = video.plan([Clip(str(path), kind.content_type) for path, kind in zip(paths, kinds, strict=True)])
    joined = video.join(plan, target)
    played = play(target)
    first = kinds[0].displayed
    assert played.size == (joined.width, joined.height)
    assert played.size in (first, (first[0] // 2 * 2, first[1] // 2 * 2))
    # Times in WebM and of ticks of the joined rate are rounded.
    whole = float(sum(kind.seconds for kind in kinds))
    assert joined.seconds == pytest.approx(whole, abs=0.03)
    assert played.seconds == pytest.approx(whole, abs=0.1)
    assert "ENCODED" not in [each.code for each in joined.adjustments] or played.tags == (1, 1, 1)
    assert played.pixel_format in ("yuv420p", "yuvj420p") or played.transfer in HDR
    at = Fraction(0)
    for source, kind in zip(plan.sources, kinds, strict=True):
        _check_pictures(played, kind, at, joined)
        _check_sound(played, kind, at)
        at += source.seconds


def _check_pictures(played: Played, kind: Odd, at: Fraction, joined: Joined) -> None:
    width, height = kind.displayed
    scale = min(Fraction(played.size[0], width), Fraction(played.size[1], height))
    across, down = round(width * scale), round(height * scale)
    left, top = (played.size[0] - across) // 2, (played.size[1] - down) // 2
    image = played.shown_at(at + kind.seconds / 2)
    if played.transfer not in HDR:
        found = quadrants(image.crop((left, top, left + across, top + down)))
        expected = [RED, GREEN, BLUE, WHITE]
        far = max(
            abs(a - b) for one, other in zip(found, expected, strict=True) for a, b in zip(one, other, strict=True)
        )
        assert far <= (WIDE_TOLERANCE if kind.coding.matrix == "2020" else TOLERANCE), f"colours {found}"
    for corner in [(0, 0)] if max(left, top) >= 4 else []:
        assert max(image.getpixel(corner)) < TOLERANCE, "no black bars"  # pyright: ignore[reportArgumentType]
    if kind.rate <= 60:
        seen = played.alternations(at, at + kind.seconds)
        assert seen >= len(kind.times) - 2, f"{seen} of {len(kind.times) - 1} changes"
    codes = [each.code for each in joined.adjustments]
    assert ("TONE_MAPPED" in codes) or kind.coding.matrix != "2020" or played.transfer in HDR


def _check_sound(played: Played, kind: Odd, at: Fraction) -> None:
    twentieth = Fraction(1, 20)
    if kind.tone is None:
        if kind.seconds > 2 * twentieth:
            assert played.loudness(at + twentieth, at + kind.seconds - twentieth) < QUIET, "no silence"
        return
    origin = min(kind.times[0], kind.tone.start) if kind.times[0] - kind.tone.start > Fraction(1, 10) else kind.times[0]
    start = at + kind.tone.start - origin
    end = start + kind.tone.seconds
    audible = [(start, end)]
    if kind.tone.gap is not None:
        gap = start + kind.tone.gap, start + kind.tone.gap + kind.tone.gap_seconds
        audible = [(start, gap[0]), (gap[1], end)]
        assert played.loudness(gap[0] + twentieth, gap[1] - twentieth) < QUIET, "no gap"
    for one, other in audible:
        inside = one + twentieth, other - twentieth
        assert played.loudness(*inside) > LOUD, "no sound"
        assert played.share_of_tone(kind.tone.hertz, *inside) > 0.7, "another sound"
    silences = [(at, start), (end, at + kind.seconds)]
    for one, other in silences:
        if other - one > 2 * twentieth:
            assert played.loudness(one + twentieth, other - twentieth) < QUIET, "no silence"
