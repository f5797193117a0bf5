"""The provider `local`: what it guarantees beyond the port."""

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
from tests.support.waiting import TIMEOUT_SECONDS

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


async def test_same_take_renders_the_same_clip(tmp_path: Path) -> None:
    """Byte for byte, by prompt, title, take, duration and size; key and folder do not matter."""
    clips: list[bytes] = []
    for key in ("one", "two"):
        (tmp_path / key).mkdir()
        order = an_order(tmp_path / key, key=key)
        clips.append((await made(small_local(), order)).clip.path.read_bytes())
    assert clips[0] == clips[1]


@pytest.mark.parametrize(
    "change", [{"number": 2}, {"prompt": "A forest"}, {"title": "Elsewhere"}], ids=["take", "prompt", "title"]
)
async def test_another_take_prompt_or_title_renders_another_clip(tmp_path: Path, change: dict[str, object]) -> None:
    """A regenerated scene looks different."""
    (tmp_path / "other").mkdir()
    plain = await made(small_local(), an_order(tmp_path))
    other = await made(small_local(), an_order(tmp_path / "other", **change))
    assert difference(plain.poster, other.poster) > 8


@pytest.mark.parametrize("seconds", [0.5, 1.02, 2.0])
async def test_clip_has_the_duration_of_its_order(tmp_path: Path, seconds: float) -> None:
    """Exact to the frame."""
    order = an_order(tmp_path, duration_seconds=seconds)
    clip = (await made(LocalProvider(64, 64), order)).clip
    probed = probe(clip.path)
    assert probed.frames == round(24 * seconds)
    assert abs(probed.seconds - Fraction(seconds)) <= Fraction(1, 24)


@pytest.mark.parametrize("seconds", [0.4, 60.1, float("nan"), float("inf"), -1.0])
async def test_clip_duration_out_of_range_is_refused(tmp_path: Path, seconds: float) -> None:
    """When it is too short, too long or not a number."""
    with pytest.raises(Failure) as caught:
        await small_local().submit(an_order(tmp_path, duration_seconds=seconds))
    assert (caught.value.code, caught.value.retryable) == ("INVALID_DURATION", False)


@pytest.mark.parametrize("size", [(1281, 720), (1280, 721), (62, 64), (64, 4098), (0, 0), (-2, 64)])
def test_clip_size_that_cannot_be_encoded_is_refused(size: tuple[int, int]) -> None:
    """At startup, not at the first render."""
    with pytest.raises(ValueError, match="must be even"):
        LocalProvider(*size)


async def test_clip_of_portrait_format_is_rendered(tmp_path: Path) -> None:
    """The picture adapts to any aspect ratio."""
    clip = (await made(LocalProvider(90, 160), an_order(tmp_path, prompt="高い塔 " * 80))).clip
    assert probe(clip.path).size == (90, 160)


async def test_render_that_hangs_is_killed_at_the_deadline(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its failure is retryable."""
    hung = LocalProvider(64, 64, deadline_seconds=0.3, program=("-c", "import time; time.sleep(60)"))
    order = an_order(tmp_path)
    started = time.monotonic()
    with pytest.raises(Failure) as caught:
        await made(hung, order)
    assert time.monotonic() - started >= 0.3
    assert (caught.value.code, caught.value.retryable) == ("RENDER_TIMEOUT", True)
    assert [getattr(record, "action", None) for record in caplog.records] == ["render.timed_out"]


async def test_render_crash_is_logged_with_its_output(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The output is for the operator; the client gets a code."""
    program = "import sys; sys.stderr.write('noise\\n' * 50 + 'the secret reason\\n'); sys.exit(3)"
    crashing = LocalProvider(64, 64, program=("-c", program))
    with pytest.raises(Failure) as caught:
        await made(crashing, an_order(tmp_path))
    assert (caught.value.code, caught.value.retryable) == ("RENDER_CRASHED", True)
    assert "secret" not in caught.value.message
    (record,) = caplog.records
    assert getattr(record, "action", None) == "render.crashed"
    assert "status 3" in record.getMessage()
    assert record.getMessage().endswith("the secret reason")
    assert record.getMessage().count("noise") == 11


async def test_render_that_ends_within_a_line_is_a_crash(tmp_path: Path) -> None:
    """An incomplete line is no progress."""
    crashing = LocalProvider(64, 64, program=("-c", "print('{\"fraction\": 0.', end='')"))
    with pytest.raises(Failure) as caught:
        await made(crashing, an_order(tmp_path))
    assert caught.value.code == "RENDER_CRASHED"


async def test_render_into_a_missing_folder_is_a_failure(tmp_path: Path) -> None:
    """Any error of the process becomes a Failure."""
    with pytest.raises(Failure) as caught:
        await made(small_local(), an_order(tmp_path / "gone"))
    assert (caught.value.code, caught.value.retryable) == ("RENDER_CRASHED", True)


@on_linux
async def test_render_process_has_no_prompt_in_its_command_line(tmp_path: Path) -> None:
    """Other users of the machine can read command lines."""
    order = replace(a_long_order(tmp_path), prompt="--help hush", title="hush")
    async with aclosing(small_local().follow(order, "local-x")) as steps:
        await anext(steps)
        # Other tests run their own servers at the same time.
        lines = [line for pid in children_of(os.getpid()) if PROGRAM[-1].encode() in (line := command_line(pid))]
    assert len(lines) == 1
    assert b"hush" not in lines[0]


def test_render_process_exits_when_its_standard_input_closes(tmp_path: Path) -> None:
    """Even while it writes no output."""
    ticket = Ticket("prompt", None, "Take 1", 1, 60.0, 640, 360, str(tmp_path))
    command = [sys.executable, *PROGRAM]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as render:
        assert render.stdin is not None
        assert render.stdout is not None
        render.stdin.write(ticket.line())
        render.stdin.flush()
        assert render.stdout.readline()
        render.stdin.close()
        assert render.wait(TIMEOUT_SECONDS) == 1


@on_linux
def test_render_process_exits_with_a_killed_server(tmp_path: Path) -> None:
    """SIGKILL gives the server no time to clean up; the render exits within two seconds of CPU time."""
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
        # The whole clip would take several times as long.
        assert used - at_kill < 2
