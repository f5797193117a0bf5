"""Server processes whose system clock a test sets, by libfaketime; their monotonic clock stays true."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_process import ServerProcess


def libfaketime() -> Path:
    """Return the library. Skip the test without it, or fail it if SCENEWIRE_REQUIRE_BROWSER is 1, as in CI."""
    found = next(Path("/usr/lib").glob("**/faketime/libfaketime.so.1"), None)
    if found is not None:
        return found
    reason = "no libfaketime: the Debian package faketime is not installed"
    if os.environ.get("SCENEWIRE_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


class FakeClockServer(ServerProcess):
    """A server process whose clock is ahead of the machine's by `ahead_seconds`, which may change while it runs."""

    def __init__(self, folder: Path, *command: str, ahead_seconds: int, **settings: Any) -> None:
        super().__init__(folder, *command, **settings)
        self._library = libfaketime()
        self._offset = folder / f"{self.log.stem}.clock"
        self.set_ahead(ahead_seconds)

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            # A change takes effect within this many seconds. Without a cache every call would read the file.
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Not necessary with the glibc of today, and makes waiting threads spin.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            # The times of files are not changed, or Python would recompile all modules.
            "NO_FAKE_STAT": "1",
        }

    def set_ahead(self, seconds: int) -> None:
        """Set the clock, also of a running process."""
        new = self._offset.with_suffix(".new")
        new.write_text(f"+{seconds}")
        new.replace(self._offset)
