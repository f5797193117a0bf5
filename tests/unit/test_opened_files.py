"""Files that are written off the event loop are closed, however the writing ends."""

import asyncio
import threading
from pathlib import Path
from typing import IO, Any

import pytest

from providers.files import opened_for_writing
from tests.support.waiting import eventually


async def test_file_is_closed_when_its_opening_is_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread may open it after the cancellation."""
    asked, opens = threading.Event(), threading.Event()
    files: list[IO[Any]] = []
    open_now: Any = Path.open

    def open_late(path: Path, *arguments: Any) -> Any:
        asked.set()
        assert opens.wait(60)
        files.append(open_now(path, *arguments))
        return files[-1]

    monkeypatch.setattr(Path, "open", open_late)

    async def write() -> None:
        async with opened_for_writing(tmp_path / "clip"):
            raise AssertionError("it was opened")

    writing = asyncio.create_task(write())
    await eventually(asked.is_set)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    opens.set()
    await eventually(lambda: [file.closed for file in files] == [True])


async def test_file_is_closed_after_it_was_written(tmp_path: Path) -> None:
    """And after an error."""
    async with opened_for_writing(tmp_path / "clip") as file:
        file.write(b"one")
    assert file.closed
    with pytest.raises(OSError, match="disk"):
        async with opened_for_writing(tmp_path / "clip") as file:
            raise OSError("disk is full")
    assert file.closed
    assert (tmp_path / "clip").read_bytes() == b""


async def test_error_of_opening_a_file_is_raised(tmp_path: Path) -> None:
    """By the block that opens it."""
    with pytest.raises(FileNotFoundError):
        async with opened_for_writing(tmp_path / "missing" / "clip"):
            pass
