"""A process that is forked after the import of the server makes ids of its own."""

import os
import sys

import pytest

from models.db.engines import application_name
from models.domain.ids import new, unique_bits

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="no fork"),
    # Other tests leave threads, which a fork that only makes ids does not need.
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def made() -> str:
    """Return ids of every kind that is made without asking the operating system."""
    return f"{unique_bits(64)} {new('job')} {application_name()}"


def forked() -> set[str]:
    """Return the same, made in a fork."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(write, made().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    with os.fdopen(read) as answer:
        return set(answer.read().split())


def test_ids_of_forks_differ() -> None:
    """Those of two forks, and those of their parent."""
    made()
    one, other, ours = forked(), forked(), set(made().split())
    assert one & other & ours == {"scenewire"}
    assert len(one | other | ours) == 1 + 3 * 3
