"""Files that are written off the event loop are closed, however the writing ends."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import pytest

from providers.files import opened_for_writing
from tests.support.waiting import eventually


class SlowOpening:
    """Lets a thread open a file only when `opens` is set; `files` are those that were opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked, self.opens = threading.Event(), threading.Event()
        self.files: list[IO[Any]] = []
        self._open_now: Any = Path.open

        def open_late(path: Path, *arguments: Any) -> Any:
            self.asked.set()
            assert self.opens.wait(60)
            self.files.append(self._open_now(path, *arguments))
            return self.files[-1]

        monkeypatch.setattr(Path, "open", open_late)

    async def write(self, folder: Path) -> None:
        """Open a file for writing, which must not succeed."""
        async with opened_for_writing(folder / "clip"):
            raise AssertionError("it was opened")


async def test_file_is_closed_when_its_opening_is_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread may open it after the cancellation."""
    slow = SlowOpening(monkeypatch)
    writing = asyncio.create_task(slow.write(tmp_path))
    await eventually(slow.asked.is_set)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    slow.opens.set()
    await eventually(lambda: [file.closed for file in slow.files] == [True])


def test_file_is_closed_when_its_loop_ends_while_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No callback runs in a loop that has ended."""
    slow = SlowOpening(monkeypatch)
    loop, threads = asyncio.new_event_loop(), ThreadPoolExecutor(1)
    loop.set_default_executor(threads)
    writing = loop.create_task(slow.write(tmp_path))
    loop.run_until_complete(eventually(slow.asked.is_set))
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(writing)
    loop.close()
    slow.opens.set()
    threads.shutdown()
    assert [file.closed for file in slow.files] == [True]


async def test_file_is_closed_when_its_writer_is_cancelled_while_the_threads_are_busy(tmp_path: Path) -> None:
    """The cancellation comes when the file is to be closed, which waits for a thread."""
    busy, opened, ends = threading.Event(), asyncio.Event(), asyncio.Event()
    files: list[IO[Any]] = []

    async def write() -> None:
        async with opened_for_writing(tmp_path / "clip") as file:
            files.append(file)
            opened.set()
            await ends.wait()

    with ThreadPoolExecutor(1) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        writing = asyncio.create_task(write())
        await opened.wait()
        threads.submit(busy.wait, 60)
        ends.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        busy.set()
    assert [file.closed for file in files] == [True]


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
