"""A lock between the processes of one test run, for what they share on the disk."""

import fcntl
import hashlib
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def process_lock(shared: Path) -> Generator[None]:
    """Let one process at a time into the block, for each `shared` path."""
    name = hashlib.sha256(str(shared.resolve()).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"scenewire-{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
