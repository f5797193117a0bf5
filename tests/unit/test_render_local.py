"""What the local provider promises beyond the port."""

import os
import signal
import subprocess
import sys
import time
from contextlib import aclosing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from providers.local import PROGRAM, LocalProvider
from providers.port import Failure
from providers.render.wire import Ticket
from tests.support.media_files import difference, probe
from tests.support.orders import a_long_order, an_order, made, small_local
from tests.support.os_processes import children_of, command_line, cpu_seconds, on_linux, runs

ROOT = Path(__file__).parents[2]
SERVER = """
import asyncio, pathlib, sys
from providers.local import PROGRAM, LocalProvider
from providers.port import Order

async def main():
    order = Order("key", 1, "prompt", None, 60.0, {}, pathlib.Path(sys.argv[1]))
    async for _ in LocalProvider(640, 360).follow(order, "local-key"):
        print("rendering", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_the_same_take_is_the_same_video(tmp_path: Path) -> None:
    """Prompt, title, take, duration and size decide every byte of the clip; the key and the folder do not."""
    clips: list[bytes] = []
    for key in ("one", "two"):
        (tmp_path / key).mkdir()
        order = an_order(tmp_path / key, key=key)
        clips.append((await made(small_local(), order)).clip.path.read_bytes())
    assert clips[0] == clips[1]


@pytest.mark.parametrize(
    "change", [{"number": 2}, {"prompt": "A forest"}, {"title": "Elsewhere"}], ids=["take", "prompt", "title"]
)
async def test_another_take_prompt_or_title_is_another_video(tmp_path: Path, change: dict[str, object]) -> None:
    """A regenerated scene does not look like the take before it."""
    (tmp_path / "other").mkdir()
    plain = await made(small_local(), an_order(tmp_path))
    other = await made(small_local(), an_order(tmp_path / "other", **change))
    assert difference(plain.poster, other.poster) > 8


@pytest.mark.parametrize("seconds", [0.5, 1.02, 2.0])
async def test_the_clip_lasts_as_long_as_ordered(tmp_path: Path, seconds: float) -> None:
    """The duration is exact to the frame."""
    order = an_order(tmp_path, duration_seconds=seconds)
    clip = (await made(LocalProvider(64, 64), order)).clip
    probed = probe(clip.path)
    assert probed.frames == round(24 * seconds)
    assert abs(probed.seconds - Fraction(seconds)) <= Fraction(1, 24)


@pytest.mark.parametrize("seconds", [0.4, 60.1, float("nan"), float("inf"), -1.0])
async def test_durations_out_of_range_are_refused(tmp_path: Path, seconds: float) -> None:
    """Nothing is started for a clip that is too short, too long or no number."""
    with pytest.raises(Failure) as caught:
        await small_local().submit(an_order(tmp_path, duration_seconds=seconds))
    assert (caught.value.code, caught.value.retryable) == ("INVALID_DURATION", False)


@pytest.mark.parametrize("size", [(1281, 720), (1280, 721), (62, 64), (64, 4098), (0, 0), (-2, 64)])
def test_sizes_that_cannot_be_encoded_are_refused(size: tuple[int, int]) -> None:
    """A wrong size is an error at start, not of the first render."""
    with pytest.raises(ValueError, match="must be even"):
        LocalProvider(*size)


async def test_a_portrait_renders_too(tmp_path: Path) -> None:
    """The picture adapts to any shape."""
    clip = (await made(LocalProvider(90, 160), an_order(tmp_path, prompt="高い塔 " * 80))).clip
    assert probe(clip.path).size == (90, 160)


async def test_a_hung_process_is_killed_at_the_deadline(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A render that says nothing ends in a failure that may be tried again."""
    hung = LocalProvider(64, 64, deadline_seconds=0.3, program=("-c", "import time; time.sleep(60)"))
    order = an_order(tmp_path)
    started = time.monotonic()
    with pytest.raises(Failure) as caught:
        await made(hung, order)
    assert time.monotonic() - started >= 0.3
    assert (caught.value.code, caught.value.retryable) == ("RENDER_TIMEOUT", True)
    assert [getattr(record, "action", None) for record in caplog.records] == ["render_timed_out"]


async def test_a_crash_is_logged_with_its_last_words_and_told_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What a crashed process wrote is for the operator; the client gets a code."""
    words = "import sys; sys.stderr.write('noise\\n' * 50 + 'the secret reason\\n'); sys.exit(3)"
    crashing = LocalProvider(64, 64, program=("-c", words))
    with pytest.raises(Failure) as caught:
        await made(crashing, an_order(tmp_path))
    assert (caught.value.code, caught.value.retryable) == ("RENDER_CRASHED", True)
    assert "secret" not in caught.value.message
    (record,) = caplog.records
    assert getattr(record, "action", None) == "render_crashed"
    assert "status 3" in record.getMessage()
    assert record.getMessage().endswith("the secret reason")
    assert record.getMessage().count("noise") == 11


async def test_a_process_that_stops_in_mid_sentence_is_a_crash(tmp_path: Path) -> None:
    """Half a line is not taken for word of progress."""
    crashing = LocalProvider(64, 64, program=("-c", "print('{\"fraction\": 0.', end='')"))
    with pytest.raises(Failure) as caught:
        await made(crashing, an_order(tmp_path))
    assert caught.value.code == "RENDER_CRASHED"


async def test_a_missing_folder_is_a_typed_failure(tmp_path: Path) -> None:
    """Whatever goes wrong in the process comes out as a failure of the port."""
    with pytest.raises(Failure) as caught:
        await made(small_local(), an_order(tmp_path / "gone"))
    assert (caught.value.code, caught.value.retryable) == ("RENDER_CRASHED", True)


@on_linux
async def test_no_prompt_reaches_a_command_line(tmp_path: Path) -> None:
    """Other users of the machine see command lines."""
    order = replace(a_long_order(tmp_path), prompt="--help hush", title="hush")
    async with aclosing(small_local().follow(order, "local-x")) as steps:
        await anext(steps)
        # Other tests keep servers of their own running beside it.
        lines = [line for pid in children_of(os.getpid()) if PROGRAM[-1].encode() in (line := command_line(pid))]
    assert len(lines) == 1
    assert b"hush" not in lines[0]


def test_the_process_ends_with_its_standard_input(tmp_path: Path) -> None:
    """A render that nobody holds on to ends, though it has nothing to say that could fail."""
    ticket = Ticket("prompt", None, 1, 60.0, 640, 360, str(tmp_path))
    command = [sys.executable, *PROGRAM]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as render:
        assert render.stdin is not None
        assert render.stdout is not None
        render.stdin.write(ticket.line())
        render.stdin.flush()
        assert render.stdout.readline()
        render.stdin.close()
        assert render.wait(timeout=2) == 1


@on_linux
def test_the_process_dies_with_a_killed_server(tmp_path: Path) -> None:
    """SIGKILL leaves the server no time to tidy up; its render ends by itself within two seconds."""
    with subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"rendering\n"
        (child,) = children_of(server.pid)
        server.send_signal(signal.SIGKILL)
        server.wait()
        used = at_kill = cpu_seconds(child)
        while runs(child):
            used = cpu_seconds(child)
            time.sleep(0.02)
        # It stopped for lack of a server, not because the clip was done, which takes several times as long.
        assert used - at_kill < 2
