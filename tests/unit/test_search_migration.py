"""The migration that makes the search index of SQLite does without FTS5 only where SQLite has none."""

import importlib
from collections.abc import Generator
from types import ModuleType

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.exc import OperationalError


@pytest.fixture
def migration() -> ModuleType:
    """The migration."""
    return importlib.import_module("models.migrations.versions.0007_lists_that_do_not_grow")


@pytest.fixture
def connection() -> Generator[sa.Connection]:
    """A database with the titles of jobs, in which operations are executed."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE jobtitle (number INTEGER PRIMARY KEY, folded TEXT)")
        with Operations.context(MigrationContext.configure(connection)):
            yield connection
    engine.dispose()


def kind(connection: sa.Connection) -> str | None:
    """Whether the index is a table or a view."""
    return connection.exec_driver_sql("SELECT type FROM sqlite_master WHERE name = 'jobsearch'").scalar()


@pytest.mark.parametrize("missing", ["fts5(", "trigram", "case_sensitive"])
def test_view_stands_in_for_a_missing_index(
    connection: sa.Connection, migration: ModuleType, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the module, the tokenizer or its option is unknown."""
    monkeypatch.setattr(migration, "FTS5", migration.FTS5.replace(missing, f"un{missing}"))
    migration._search_table()
    assert kind(connection) == "view"


def test_index_is_made(connection: sa.Connection, migration: ModuleType) -> None:
    """By a SQLite that has FTS5."""
    migration._search_table()
    assert kind(connection) == "table"


def test_other_errors_are_raised(
    connection: sa.Connection, migration: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that cannot be written, for one, must not lose its index silently."""
    monkeypatch.setattr(migration, "FTS5", migration.FTS5.replace("jobsearch", "gone.jobsearch"))
    with pytest.raises(OperationalError, match="gone"):
        migration._search_table()
    assert kind(connection) is None
