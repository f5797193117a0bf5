"""The lock of an SQLite database: one server per file, because a process does not receive the changes of another."""

import errno
import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from server.database.database_setup import location
from server.settings import PREFIX, Settings, WrongSettings, as_wrong_setting

SUFFIX = ".lock"
# A killed process holds the lock until the system has closed its files.
WAIT_SECONDS = 1.0
PAUSE_SECONDS = 0.05


@contextmanager
def only_server(settings: Settings) -> Generator[None]:
    """Lock the SQLite file against other servers during the block; a no-op with Postgres.

    It is a lock of the operating system on a file beside the database, so it ends with the process, also by SIGKILL.
    Commands that only open the database ignore it. Raises WrongSettings when another server has it, or when a file
    beside the database cannot be written durably.
    """
    path = location(settings.database_url)
    if not settings.database_url.startswith("sqlite") or not path:
        yield
        return
    with as_wrong_setting("DATABASE_URL"):
        # The same file may have several names.
        file = Path(os.path.realpath(path))
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(f"{file}{SUFFIX}", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(lock, path)
        _write_durably(lock, path)
        yield
    finally:
        os.close(lock)


def _acquire(lock: int, path: str) -> None:
    give_up_at = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise WrongSettings(f"{PREFIX}DATABASE_URL: {path} cannot be locked: {error.strerror}") from error
            if time.monotonic() > give_up_at:
                raise _in_use(lock, path) from error
            time.sleep(PAUSE_SECONDS)
        else:
            return


def _write_durably(lock: int, path: str) -> None:
    try:
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        os.fsync(lock)
    except OSError as error:
        raise WrongSettings(f"{PREFIX}DATABASE_URL: cannot write beside {path}: {error.strerror}") from error


def _in_use(lock: int, path: str) -> WrongSettings:
    holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
    return WrongSettings(
        f"{PREFIX}DATABASE_URL: another server (process {holder or 'unknown'}) uses {path}; SQLite has one server per "
        "file, and several processes need Postgres"
    )
