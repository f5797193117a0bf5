"""Inspect the processes of this machine."""

import asyncio
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.waiting import TIMEOUT_SECONDS

# Postgres and PgBouncer refuse to run as root; this user exists on every Unix and owns nothing.
UNPRIVILEGED_USER = "nobody"

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def children_of(parent: int) -> list[int]:
    """List the processes of a parent, those that ended but were not reaped among them."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, the second field, may hold spaces and parentheses: count after its end (proc(5)).
            state_and_parent = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(state_and_parent[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def has_children() -> bool:
    """Return whether this process has children, without looking at all processes of the machine."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def runs(pid: int) -> bool:
    """Return whether a process has not ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def command_line(pid: int) -> bytes:
    """Return the arguments of a process, which every user of the machine can read."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def new_child(before: set[int], program: str) -> int:
    """Wait for a child of this process that runs a module and was not there before. Return its id."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            for child in set(children_of(os.getpid())) - before:
                with suppress(OSError):
                    if program.encode() in command_line(child):
                        return child
            await asyncio.sleep(0.01)


def soft_limit(pid: int, name: str) -> int | None:
    """Return a soft limit of a process, named as in /proc/PID/limits; None when it has none."""
    found = re.search(rf"^{name} +(\d+)", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)
    return int(found.group(1)) if found is not None else None


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used; unlike elapsed time it does not depend on the load (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_cpu_seconds() -> float:
    """Return the CPU time of all children of this process so far, ended or not."""
    times = os.times()
    return times.children_user + times.children_system + sum(map(cpu_seconds, children_of(os.getpid())))


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had, on Linux."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
