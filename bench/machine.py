"""The machine: its cores, the CPU time and memory of processes, and free ports."""

import os
import platform
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class PortTaken(Exception):
    """Another process listens on the port: what answers there would be measured in place of the server."""


def cores() -> tuple[str, str] | None:
    """Return the cores of the server and of the load; None where processes cannot be kept on a core."""
    if shutil.which("taskset") is None or not hasattr(os, "sched_getaffinity"):
        return None
    usable = sorted(os.sched_getaffinity(0))
    return (str(usable[0]), str(usable[1])) if len(usable) > 1 else None


def pinned(command: list[str], *, serves: bool) -> list[str]:
    """Return the command, kept on the core of servers or on that of the load."""
    found = cores()
    return command if found is None else ["taskset", "-c", found[0 if serves else 1], *command]


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Return whether something listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def check_free(port: int) -> None:
    """Raise PortTaken when something listens on the port."""
    if accepts(port):
        raise PortTaken(f"port {port} is taken")


def family(pid: int) -> list[int]:
    """Return a process and all its descendants, by proc(5)."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = _stat(stat)
        if fields is not None:
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found.extend(parents.get(each, []))
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its descendants used, those that ended included."""
    total = 0
    for each in family(pid):
        fields = _stat(Path(f"/proc/{each}/stat"))
        if fields is not None:
            total += sum(int(field) for field in fields[11:15])
    return total / _TICKS


def running_seconds(pid: int) -> float:
    """Return the CPU time of the threads that a process and its descendants have now, to the nanosecond.

    `cpu_seconds` counts in steps of 10 ms, a multiple of what a process uses that waits.
    """
    total = 0
    for each in family(pid):
        for thread in Path(f"/proc/{each}/task").glob("*/schedstat"):
            with suppress(OSError):  # it has ended
                total += int(thread.read_text().split()[0])
    return total / 1e9


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and its descendants."""
    total = 0
    for each in family(pid):
        try:
            total += int(Path(f"/proc/{each}/statm").read_text().split()[1]) * _PAGE
        except OSError:
            continue
    return total


def processor() -> str:
    """Return the name of the processor, by proc(5) where there is one."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def output_of(*command: str) -> str:
    """Return the first line that a command prints."""
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return printed.splitlines()[0].strip()


def _stat(path: Path) -> list[str] | None:
    """Return the fields after the name of a process, which may hold spaces; None when the process is gone."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return None
