"""The memory of a started server is moved to large pages, where there are any."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from server import huge_pages
from server.huge_pages import HUGE, Mapping, pages, private_memory

SMAPS = """\
55d0c4a00000-55d0c4a01000 r--p 00000000 fe:00 1234                       /usr/bin/python3.11
Size:                  4 kB
Rss:                   4 kB
VmFlags: rd mr mw me sd
55d0c5000000-55d0c6000000 rw-p 00000000 00:00 0                          [heap]
Size:              16384 kB
Rss:               16000 kB
7f1000000000-7f1000800000 rw-p 00000000 00:00 0
Rss:                  64 kB
7f1200100000-7f1200900000 rw-p 00000000 00:00 0
Rss:                8192 kB
7f1300000000-7f1300400000 rw-p 00001000 fe:00 99                         /usr/lib/libpython3.11.so.1.0
Rss:                4096 kB
7f1400000000-7f1400400000 rw-s 00000000 00:01 7                          /dev/zero (deleted)
Rss:                4096 kB
7ffd00000000-7ffd00400000 rw-p 00000000 00:00 0                          [stack]
Rss:                4096 kB
"""

USES = """
import sys
from pathlib import Path
from server import huge_pages
kept = [str(number) * 3 for number in range(200_000)]
before = sum(map(len, kept))
moved = huge_pages.use()
(line,) = [line for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if line.startswith("AnonHuge")]
assert sum(map(len, kept)) == before
print(moved, line.split()[1])
"""


def test_private_memory_is_what_the_program_keeps_its_objects_in() -> None:
    """Not files, shared memory or stacks, whose names proc(5) lists."""
    assert list(private_memory(SMAPS.splitlines())) == [
        Mapping(0x55D0C5000000, 0x55D0C6000000, 16_000 * 1024),
        Mapping(0x7F1000000000, 0x7F1000800000, 64 * 1024),
        Mapping(0x7F1200100000, 0x7F1200900000, 8_192 * 1024),
    ]


def test_pages_lie_within_mappings_that_are_used() -> None:
    """The second mapping is hardly used, so its pages would take more memory; the third begins within a page."""
    found = list(pages(private_memory(SMAPS.splitlines())))
    heap = [0x55D0C5000000 + number * HUGE for number in range(8)]
    assert found == [*heap, 0x7F1200200000, 0x7F1200400000, 0x7F1200600000]
    assert list(pages([Mapping(HUGE // 2, HUGE, HUGE), Mapping(1, 2 * HUGE - 1, 2 * HUGE)])) == []


@pytest.mark.parametrize("setting", ["always madvise [never]\n", None], ids=["never", "another_kernel"])
def test_nothing_is_moved_where_large_pages_are_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str | None
) -> None:
    path = tmp_path / "enabled"
    if setting is not None:
        path.write_text(setting)
    monkeypatch.setattr(huge_pages, "_SETTING", path)
    monkeypatch.setattr(huge_pages, "_MAPS", Path("/not/read"))
    assert huge_pages.use() == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has these pages")
@pytest.mark.parametrize("fails_at", [None, 3], ids=["all", "none_left"])
def test_pages_are_moved_until_none_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int | None
) -> None:
    """A page that cannot be moved, such as one that is not mapped any more, does not end it."""
    maps, setting = tmp_path / "smaps", tmp_path / "enabled"
    maps.write_text(SMAPS)
    setting.write_text("always [madvise] never\n")
    asked: list[int] = []

    def collapse(address: int) -> bool:
        asked.append(address)
        if len(asked) == fails_at:
            raise OSError(errno.ENOMEM, "madvise")
        return len(asked) != 2

    monkeypatch.setattr(huge_pages, "_SETTING", setting)
    monkeypatch.setattr(huge_pages, "_MAPS", maps)
    monkeypatch.setattr(huge_pages, "_collapser", lambda: collapse)
    expected = list(pages(private_memory(SMAPS.splitlines())))
    assert huge_pages.use() == (len(expected) - 1 if fails_at is None else 0)
    assert asked == expected[:fails_at]


def test_objects_are_moved_and_stay_as_they_are() -> None:
    """In a process of its own. As many as the kernel counts, which may be none: another program may have them all."""
    done = subprocess.run(
        [sys.executable, "-c", USES], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."}
    )
    moved, kilobytes = map(int, done.stdout.split())
    assert kilobytes * 1024 >= moved * HUGE
