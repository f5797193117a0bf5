"""What the works of one run share: a folder, the servers, databases, and how much is measured."""

import os
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import contenders, data, machine
from bench.answers import ask, check_equal
from bench.server import Launch, Server, Target
from tests.support.postgres import Databases, Postgres


@dataclass(frozen=True)
class Scale:
    """How much is measured: seconds and rounds of a load, and the sizes of the works."""

    seconds: float = 1.4
    rounds: int = 5
    jobs: int = 1000
    subscribers: int = 1000
    own_jobs: tuple[int, ...] = (1000,)
    events: int = 20
    replayed: int = 50
    grown_jobs: int = 10_000
    list_requests: int = 20
    list_rounds: int = 5
    started_jobs: tuple[int, ...] = (25, 100)
    idle_seconds: float = 3.0


SHORT = Scale()
WHOLE = Scale(
    seconds=3.0,
    rounds=7,
    own_jobs=(1000, 5000),
    events=50,
    list_rounds=10,
    started_jobs=(25, 50, 100),
    idle_seconds=10.0,
)
SMOKE = Scale(0.2, 1, 60, 5, (5,), 3, 5, 80, 3, 1, (1, 2), 0.5)


@dataclass
class Context:
    """One run. `before` is the work tree of an older program to compare with; `peers` can be switched off."""

    folder: Path
    scale: Scale
    before: Path | None = None
    peers: bool = True
    _postgres: Postgres | None = None
    _databases: Databases | None = None
    _stack: ExitStack = field(default_factory=ExitStack)
    _number: int = 0

    def sqlite(self, jobs: int | None = None, rows: data.Rows | None = None) -> str:
        """Return a new copy of the SQLite database."""
        return str(data.sqlite_copy(self._new_folder(), jobs or self.scale.jobs, rows=rows))

    def postgres(self) -> str:
        """Return the URL of a new Postgres database, migrated and empty; the server starts with the first."""
        if self._databases is None:
            self._postgres = Postgres()
            self._stack.callback(self._postgres.remove)
            self._databases = Databases(self._postgres.start().url)
            self._pin_postgres(self._postgres.folder)
        return self._databases.create()

    def close(self) -> None:
        """Stop the Postgres."""
        self._stack.close()

    def scenewire(self, database: Callable[[], str], **settings: object) -> list[Launch]:
        """Return our server, and the older program when there is one to compare with."""
        trees = [data.ROOT] if self.before is None else [data.ROOT, self.before]
        return [contenders.ours(self._new_folder(), database(), tree, **settings) for tree in trees]

    def chosen_peers(self, names: Sequence[str], database: Callable[[], str]) -> list[Launch]:
        """Return peers, unless they are switched off."""
        return [contenders.peer(name, database()) for name in names] if self.peers else []

    @contextmanager
    def running(self, launches: Sequence[Launch]) -> Generator[list[Server]]:
        """Run servers for the length of the block."""
        with ExitStack() as stack:
            yield [stack.enter_context(Server(launch, self._new_folder() / "log")) for launch in launches]

    def _pin_postgres(self, folder: Path) -> None:
        """Keep Postgres on the core of the load, so that the measured server has its own."""
        found = machine.cores()
        if found is not None:
            os.sched_setaffinity(int((folder / "data" / "postmaster.pid").read_text().split()[0]), {int(found[1])})

    def _new_folder(self) -> Path:
        self._number += 1
        folder = self.folder / str(self._number)
        folder.mkdir()
        return folder


def check_answers(servers: Sequence[Target], bodies: Sequence[dict[str, Any]]) -> None:
    """Raise AnswersDiffer unless every server answers each request as the first one does."""
    for body in bodies:
        expected = ask(servers[0], body)
        for server in servers[1:]:
            check_equal(expected, ask(server, body), server.name)


def emptied(folder: Path) -> Path:
    """Return a folder, without what was in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
