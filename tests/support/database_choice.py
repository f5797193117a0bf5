"""Where the servers of a test keep their data: in a file in their folder, or in a Postgres database of its own."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.support.postgres import Databases

KINDS = ("sqlite", "postgres")


class DatabaseChoice:
    """Answers the same URL for the same folder, so that a server that is started again finds its data."""

    FILE = "test.db"

    def __init__(self) -> None:
        self._databases: Databases | None = None
        self._urls: dict[Path, str] = {}

    @property
    def distributed(self) -> bool:
        """Whether several processes can share what is kept here."""
        return self._databases is not None

    def url(self, folder: Path) -> str:
        """The database of a folder."""
        if self._databases is None:
            return f"sqlite+aiosqlite:///{folder / self.FILE}"
        if folder not in self._urls:
            self._urls[folder] = self._databases.create()
        return self._urls[folder]

    def drop(self, folder: Path) -> None:
        """Nobody needs the database of a folder any longer."""
        if self._databases is not None and folder in self._urls:
            self._databases.drop(self._urls.pop(folder))

    @contextmanager
    def use(self, databases: Databases | None) -> Generator[None]:
        """In this block, everything that is new goes to a Postgres, or to files when that is None."""
        before, self._databases, self._urls = (self._databases, self._urls), databases, {}
        try:
            yield
        finally:
            urls = self._urls
            self._databases, self._urls = before
            if databases is not None:
                for url in urls.values():
                    databases.drop(url)


database_choice = DatabaseChoice()
