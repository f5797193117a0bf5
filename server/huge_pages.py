"""The memory of a server that has started, in pages of 2 MB where the kernel has them.

A change touches some thousand small pages. Where something else uses the processor between two requests, the addresses
of all of them have to be looked up again, which takes longest in a virtual machine. Linux makes large pages by itself
only where the program asks for them, as most distributions set it.
"""

import ctypes
import errno
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

HUGE: Final = 2 * 2**20
AFTER_SECONDS: Final = 1.0
"""After the start, which it must not delay: it takes up to 4 ms of each large page."""

LEAST_SHARE: Final = 0.75
"""Of a mapping whose memory is used less, such as the stack of a thread, large pages would take more than it has."""

_MADV_COLLAPSE: Final = 25  # madvise(2), since Linux 6.1
_MAPS: Final = Path("/proc/self/smaps")
_SETTING: Final = Path("/sys/kernel/mm/transparent_hugepage/enabled")


class Mapping(NamedTuple):
    """A range of addresses, and how many of its bytes are in memory."""

    start: int
    end: int
    resident: int


def use_in_background() -> None:
    """Move the objects on a thread, in the kernel nearly all the time."""
    threading.Thread(target=use, name="huge pages", daemon=True).start()


def use() -> int:
    """Move the objects that exist now to large pages; return the number of these pages.

    Returns 0 on other systems, on older kernels, and where large pages are turned off.
    """
    if not sys.platform.startswith("linux"):
        return 0
    try:
        if "[never]" in _SETTING.read_text():
            return 0
        with _MAPS.open(errors="replace") as lines:
            return sum(map(_collapser(), pages(private_memory(lines))))
    except OSError:
        return 0


def private_memory(lines: Iterable[str]) -> Iterator[Mapping]:
    """Yield the memory of the program's own objects, of the lines of `smaps` in proc(5)."""
    start = end = 0
    for line in lines:
        name, _, rest = line.partition(" ")
        if not name.endswith(":"):
            fields = rest.split()
            is_private = fields[0] == "rw-p" and fields[3] == "0" and fields[4:] in ([], ["[heap]"])
            start, end = (int(each, 16) for each in name.split("-")) if is_private else (0, 0)
        elif name == "Rss:" and end:
            yield Mapping(start, end, int(rest.split()[0]) * 1024)


def pages(mappings: Iterable[Mapping]) -> Iterator[int]:
    """Yield the addresses of the large pages that fit into the mappings that are used."""
    for start, end, resident in mappings:
        if resident >= LEAST_SHARE * (end - start):
            yield from range(-(-start // HUGE) * HUGE, end // HUGE * HUGE, HUGE)


def _collapser() -> Callable[[int], bool]:
    """Return the function that moves what is at an address to a large page; it returns whether it has."""
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def collapse(address: int) -> bool:
        if madvise(address, HUGE, _MADV_COLLAPSE) == 0:
            return True
        if (code := ctypes.get_errno()) == errno.ENOMEM:  # there is no large page left
            raise OSError(code, "madvise")
        return False

    return collapse
