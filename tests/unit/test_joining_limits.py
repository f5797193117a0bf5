"""Joining is bounded: time, pixels, memory and CPU time, whatever a small file claims."""

import asyncio
import math
import os
import signal
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import pytest

from providers.clips import limits
from providers.joining import sources, video
from providers.joining.joiner import TooCostly, join
from providers.joining.wire import Clip
from providers.port import Failure
from tests.support import odd_clips
from tests.support.odd_clips import KINDS, Odd
from tests.support.os_processes import children_of, new_child, on_linux, soft_limit
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
HOURS = Fraction(36_000)
# A picture takes 54 MB in 4:2:0, and decoding it more.
HUGE = (8192, 4400)
MOST_MEGABYTES = 100
DESCRIBE = """
import sys
from pathlib import Path
from providers.clips.description import describe
from providers.clips.problems import BadClip
try:
    describe(Path(sys.argv[1]))
except BadClip as problem:
    # The peak since the program was started; that of getrusage includes the process that forked it.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(problem.code, int(peak.split()[1]) // 1024)
"""


def two_pictures(folder: Path, seconds: Fraction) -> Path:
    """Make a tiny clip of two pictures that are this far apart."""
    kind = Odd(rate=Fraction(25), times=(Fraction(0), seconds), options=(("bf", "0"),))
    return odd_clips.make(folder / "apart.mp4", kind)


def huge_clip(path: Path) -> None:
    """Make a clip of one picture that is larger than 8K."""
    with cast("Any", av.open(str(path), "w", format="mp4")) as output:
        stream = output.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.codec_context.width, stream.codec_context.height, stream.codec_context.pix_fmt = *HUGE, "yuv420p"
        stream.codec_context.thread_count = 1
        frame = cast("Any", av.VideoFrame)(*HUGE, "yuv420p")
        frame.pts = 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("seconds", "asked", "refused"),
    [(HOURS, None, True), (HOURS, 5.0, True), (Fraction(100), 5.0, True), (Fraction(100), None, False)],
)
async def test_clip_with_a_huge_span_is_refused_before_it_is_joined(
    tmp_path: Path, seconds: Fraction, asked: float | None, refused: bool
) -> None:
    """What was asked for and a limit say how long a clip may be; the failure names its scene."""
    path = two_pictures(tmp_path, seconds)
    assert path.stat().st_size < 40_000
    plain = odd_clips.make(tmp_path / "plain.mp4", KINDS["plain"])
    clips = [Clip(str(plain), "video/mp4", 0.5), Clip(str(path), "video/mp4", asked)]
    if not refused:
        assert (await join(clips, tmp_path)).duration_seconds == pytest.approx(float(seconds) + 0.5, abs=0.2)
        return
    with pytest.raises(Failure) as caught:
        await join(clips, tmp_path)
    assert (caught.value.code, caught.value.retryable) == ("CLIP_TOO_LONG", False)
    assert "scene 2" in caught.value.message
    assert not (tmp_path / "joined.mp4").exists()


@on_linux
@pytest.mark.parametrize("claims", ["container and picture", "picture alone"])
def test_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path, claims: str) -> None:
    """Wherever its size is written, and without the memory that it would take."""
    path = tmp_path / "huge.mp4"
    huge_clip(path)
    if claims == "picture alone":
        # ISO/IEC 14496-12, 12.1.3: width and height of the sample entry, and the resolution of 72 dpi behind them.
        resolution = struct.pack(">II", 0x480000, 0x480000)
        content, entry = path.read_bytes(), struct.pack(">HH", *HUGE) + resolution
        assert content.count(entry) == 1
        path.write_bytes(content.replace(entry, struct.pack(">HH", 64, 48) + resolution))
    done = subprocess.run([sys.executable, "-c", DESCRIBE, str(path)], cwd=ROOT, capture_output=True, check=True)
    code, megabytes = done.stdout.decode().split()
    assert code == "CLIP_TOO_LARGE"
    assert int(megabytes) < MOST_MEGABYTES


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        ("bytearray(900 << 20)", "MemoryError"),
        ("while True: pass", f"killed by {int(signal.SIGXCPU)}"),
        ("print('done')", "done"),
    ],
    ids=["memory", "time", "neither"],
)
def test_process_is_confined(work: str, expected: str) -> None:
    """Memory and CPU time that it may not have are refused by the system."""
    setup = "from providers.clips import limits; limits.confine(cpu_seconds=1, memory_bytes=800 << 20)\n"
    done = subprocess.run([sys.executable, "-c", setup + work], cwd=ROOT, capture_output=True, text=True, check=False)
    ended = f"killed by {-done.returncode}" if done.returncode < 0 else (done.stderr or done.stdout)
    assert expected in ended


async def test_join_that_is_expected_to_cost_more_is_not_begun(tmp_path: Path) -> None:
    """The clips are looked at; nothing is encoded."""
    paths = [odd_clips.make(tmp_path / f"{name}.mp4", KINDS[name]) for name in ("plain", "wide pixels")]
    clips = [Clip(str(path), "video/mp4") for path in paths]
    with pytest.raises(TooCostly):
        await join(clips, tmp_path, 1e-6)
    assert not (tmp_path / "joined.mp4").exists()
    assert (await join(clips, tmp_path, 60)).duration_seconds == pytest.approx(1.0, abs=0.05)


def test_key_pictures_are_looked_at_within_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip with more of them is encoded: that is planned, and looking at them is not."""
    pixels = KINDS["vp9 in mp4"].width * KINDS["vp9 in mp4"].height
    intra = KINDS["vp9 in mp4"]._replace(options=(("g", "1"),))
    clips = [Clip(str(odd_clips.make(tmp_path / "intra.mp4", intra)), "video/mp4")]
    monkeypatch.setattr(sources, "MOST_KEY_PIXELS", len(intra.times) * pixels)
    assert video.plan(clips).target is None
    monkeypatch.setattr(sources, "MOST_KEY_PIXELS", len(intra.times) * pixels - 1)
    assert video.plan(clips).target is not None


@on_linux
@pytest.mark.parametrize(("most", "cpu_seconds"), [(20.0, 80), (math.inf, 560)])
async def test_looking_at_many_clips_takes_no_longer_than_joining_them_may(
    tmp_path: Path, most: float, cpu_seconds: int
) -> None:
    """Where videos wait for it; the pipe that stands in for the clips makes it wait there."""
    os.mkfifo(tmp_path / "clip")
    before = set(children_of(os.getpid()))
    joining = asyncio.create_task(join([Clip(str(tmp_path / "clip"), "video/mp4")] * 100, tmp_path, most))
    try:
        child = await new_child(before, "providers.joining")
        await eventually(lambda: soft_limit(child, "Max cpu time") == cpu_seconds)
    finally:
        joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining


async def test_join_that_uses_up_its_cpu_time_fails_for_good(tmp_path: Path) -> None:
    """Unless it can be tried beside the long ones."""
    program = ("-c", "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)")
    with pytest.raises(TooCostly):
        await join([], tmp_path, 20.0, program=program)
    with pytest.raises(Failure) as caught:
        await join([], tmp_path, program=program)
    assert (caught.value.code, caught.value.retryable) == ("JOIN_TIMEOUT", False)


async def test_join_without_memory_fails_for_good(tmp_path: Path) -> None:
    """It is said that the clips are too large together."""
    program = (
        "-c",
        "import sys; from providers.joining import __main__ as program, video\n"
        "def without_memory(*arguments): raise MemoryError\n"
        "video.plan = without_memory; program.main()",
    )
    with pytest.raises(Failure) as caught:
        await join([], tmp_path, program=program)
    assert (caught.value.code, caught.value.retryable) == ("JOIN_TOO_LARGE", False)


@pytest.mark.parametrize(("asked", "longest"), [(None, 3600.0), (0.5, 61.0), (60.0, 180.0), (1e6, 3600.0)])
def test_clip_may_be_somewhat_longer_than_was_asked_for(asked: float | None, longest: float) -> None:
    """Providers round, and some have fixed lengths."""
    assert limits.longest_seconds(asked) == longest
