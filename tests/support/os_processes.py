"""Inspect the processes of this machine."""

import os
import sys
from pathlib import Path

import pytest

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


def runs(pid: int) -> bool:
    """Return whether a process has not ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def command_line(pid: int) -> bytes:
    """Return the arguments of a process, which every user of the machine can read."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used; unlike elapsed time it does not depend on the load (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_cpu_seconds() -> float:
    """Return the CPU time of all children of this process so far, ended or not."""
    times = os.times()
    return times.children_user + times.children_system + sum(map(cpu_seconds, children_of(os.getpid())))
