"""A media folder that cannot be written: reported at once, and used again as soon as it can."""

import logging
import os
import subprocess
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from providers import sample
from tests.support import jobs
from tests.support.server_app import App
from tests.support.waiting import eventually

ACTIONS = ("media.not_stored", "media.stored")

Fault = Callable[[Path], AbstractContextManager[None]]


@contextmanager
def read_only(folder: Path) -> Generator[None]:
    """Make the folder read-only; for root, which has every permission, by a file system mounted read-only."""
    if os.geteuid() == 0:
        with mounted(folder, "ro"):
            yield
        return
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


@contextmanager
def full(folder: Path) -> Generator[None]:
    """Mount a file system without room for any file."""
    with mounted(folder, "size=4k"):
        (folder / "other").write_bytes(b"0")
        yield


@contextmanager
def nearly_full(folder: Path) -> Generator[None]:
    """Mount a file system with room for a small file, such as that of a probe, but not for a clip."""
    with mounted(folder, "size=4k"):
        yield


@contextmanager
def mounted(folder: Path, options: str) -> Generator[None]:
    """Mount an empty file system over the folder, where that is permitted."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("mounting is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


FAULTS = {"read_only": read_only, "full": full, "nearly_full": nearly_full}


async def ready(app: App) -> tuple[int, bool]:
    """Return the status of the readiness probe, and its field `media`."""
    answer = await app.http.get("/readyz")
    return answer.status_code, answer.json()["media"]


@pytest.fixture(autouse=True)
def clip_of_several_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clip be larger than a page, the unit in which the mounted file system gives space."""
    small = sample.sample()
    padding = 16 * 1024
    # A box of MPEG-4 that readers skip (ISO/IEC 14496-12, section 8.1.2): its size, its type and its content.
    box = padding.to_bytes(4) + b"free" + bytes(padding - 8)
    monkeypatch.setattr(sample, "sample", lambda: replace(small, clip=small.clip + box))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_media_folder_that_cannot_be_written_is_reported_at_once(
    app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    """One warning and the readiness probe report it; the render waits until the folder can be written."""
    caplog.set_level(logging.INFO, "coordinator.storage")

    def logged() -> list[str]:
        return [action for each in caplog.records if (action := getattr(each, "action", "")) in ACTIONS]

    with fault(tmp_path / "media"):
        made = await jobs.make(app, start=True)
        await eventually(lambda: bool(logged()))
        assert await ready(app) == (503, False)
        # Neither a probe nor another attempt of the render reports it again.
        assert await ready(app) == (503, False)
        assert logged() == ["media.not_stored"]
        assert (await jobs.job(app, made.id, "status"))["status"] == "PROCESSING"
    assert await jobs.settled(app, made.id) == "COMPLETED"

    async def is_ready() -> bool:
        return await ready(app) == (200, True)

    await eventually(is_ready)
    assert logged() == ["media.not_stored", "media.stored"]
