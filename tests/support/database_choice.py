"""The choice between SQLite and Postgres for the servers of a test."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

KINDS = ("sqlite", "postgres")


class Databases(Protocol):
    """A Postgres that hands out databases."""

    def create(self) -> str:
        """Return the URL of an empty, migrated database."""
        ...

    def drop(self, url: str) -> None:
        """Take a database back."""
        ...


class DatabaseChoice:
    """Maps a folder to its database URL. A restarted server gets the same URL, and so finds its data."""

    FILE = "test.db"

    def __init__(self) -> None:
        self._databases: Databases | None = None
        self._urls: dict[Path, str] = {}

    @property
    def distributed(self) -> bool:
        """Whether several processes can share the database: true for Postgres."""
        return self._databases is not None

    def url(self, folder: Path) -> str:
        """Return the database URL of a folder."""
        if self._databases is None:
            return f"sqlite+aiosqlite:///{folder / self.FILE}"
        if folder not in self._urls:
            self._urls[folder] = self._databases.create()
        return self._urls[folder]

    def drop(self, folder: Path) -> None:
        """Give the database of a folder back."""
        if self._databases is not None and folder in self._urls:
            self._databases.drop(self._urls.pop(folder))

    @contextmanager
    def use(self, databases: Databases | None) -> Generator[None]:
        """In this block, take new databases from a Postgres, or use SQLite files when `databases` is None."""
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
