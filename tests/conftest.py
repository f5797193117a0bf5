"""Options and parts for every test. Imports no server, so that a pure unit test starts within a second."""

from pathlib import Path

import pytest

from tests.support.database_choice import KINDS

HERE = Path(__file__).parent
# Folders whose tests start processes: one at a time, or a few at a time when they mostly wait.
ALONE = ("live", "faults", "distributed", "browser", "attacks", "chaos")
PAIRED = (
    "distributed",
    "attacks/test_fuzz.py",
    *(f"live/test_{name}.py" for name in ("cli", "job_events", "journey", "kill", "latest", "live_page", "plugins")),
    *(f"live/test_{name}.py" for name in ("readme", "renders", "replay", "replicate", "webhooks")),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--database KIND`: run every test that uses a database on this kind only."""
    parser.addoption("--database", choices=KINDS, help="default: SQLite, and both where marked both_databases")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that use `database` on SQLite, and on Postgres as well where they are marked."""
    if "database" in metafunc.fixturenames:
        only: str | None = metafunc.config.getoption("--database")
        both = metafunc.definition.get_closest_marker("both_databases") is not None
        kinds = [only] if only else KINDS if both else KINDS[:1]
        metafunc.parametrize("database", kinds, indirect=True, scope="module")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the part of `make test` that runs it."""
    for item in items:
        where = item.path.relative_to(HERE).as_posix()
        if where.startswith(PAIRED):
            item.add_marker("paired")
        elif where.startswith(ALONE):
            item.add_marker("alone")
