"""A real PgBouncer in front of the Postgres of the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from tests.support.os_processes import UNPRIVILEGED_USER
from tests.support.programs import program
from tests.support.waiting import TIMEOUT_SECONDS


class PgBouncer:
    """A running PgBouncer; `host` is the folder of its socket, `port` is that of its socket and of TCP on loopback."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    def url(self, database_url: str) -> str:
        """Return the URL of the same database through PgBouncer."""
        through = (
            sa.make_url(database_url).set(port=None).update_query_dict({"host": self.host, "port": str(self.port)})
        )
        return through.render_as_string(hide_password=False)

    def tcp_url(self, database_url: str) -> str:
        """Return the URL of the same database through PgBouncer by TCP."""
        through = sa.make_url(database_url).difference_update_query(["host"])
        return through.set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)


@contextmanager
def pgbouncer(database_url: str, *, pool_mode: str, **options: object) -> Generator[PgBouncer]:
    """Run PgBouncer in front of the server of this database."""
    executable = program("pgbouncer")
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    as_root = os.geteuid() == 0
    if as_root:
        # PgBouncer refuses to run as root.
        shutil.chown(folder, UNPRIVILEGED_USER)
    port = _free_port()
    settings: dict[str, object] = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": folder,
        "auth_type": "any",
        "pool_mode": pool_mode,
        "logfile": folder / "log",
        **options,
    }
    lines = ["[databases]", f"* = {_server_of(database_url)}", "[pgbouncer]"]
    lines += [f"{name} = {value}" for name, value in settings.items()]
    (folder / "pgbouncer.ini").write_text("\n".join(lines))
    command = [executable, "-q", folder / "pgbouncer.ini"]
    process = subprocess.Popen(command, user=UNPRIVILEGED_USER if as_root else None, stderr=subprocess.DEVNULL)
    try:
        give_up_at = time.monotonic() + TIMEOUT_SECONDS
        while not (folder / f".s.PGSQL.{port}").exists():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < give_up_at
            time.sleep(0.02)
        yield PgBouncer(str(folder), port)
    finally:
        process.terminate()
        process.wait(TIMEOUT_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _server_of(database_url: str) -> str:
    """Return the address and the role of the server, as PgBouncer's connection string."""
    url = sa.make_url(database_url)
    parts = {"host": url.query.get("host") or url.host, "port": url.port or url.query.get("port"), "user": url.username}
    parts["password"] = url.password
    return " ".join(f"{name}={value}" for name, value in parts.items() if value)


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]
