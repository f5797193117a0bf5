"""Fixtures that every kind of test shares."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from tests.support.database_choice import KINDS, database_choice
from tests.support.postgres import Databases, some_postgres
from tests.support.server_app import App, running
from tests.support.server_process import ServerProcess

HERE = Path(__file__).parent
# The folders whose tests start processes and measure how long things take.
ALONE = ("live", "faults", "distributed", "browser", "attacks", "chaos")
# Of those, what has patience: it bears one other beside it.
PAIRED = (
    "distributed",
    "attacks/test_fuzz.py",
    *(f"live/test_{name}.py" for name in ("cli", "job_events", "journey", "kill", "latest", "live_page", "plugins")),
    *(f"live/test_{name}.py" for name in ("readme", "renders", "replay", "replicate", "webhooks")),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--database` narrows the tests that run on each database down to one."""
    parser.addoption("--database", choices=KINDS, help="on this one only; the default is on each")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What uses `database`, by itself or because its folder does, is run on each."""
    if "database" in metafunc.fixturenames:
        only: str | None = metafunc.config.getoption("--database")
        metafunc.parametrize("database", [only] if only else KINDS, indirect=True, scope="module")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what cannot bear anything beside it, so that the rest can be run by several processes."""
    for item in items:
        where = item.path.relative_to(HERE).as_posix()
        if where.startswith(PAIRED):
            item.add_marker("paired")
        elif where.startswith(ALONE):
            item.add_marker("alone")


@pytest.fixture(scope="session")
def postgres() -> Generator[Databases]:
    """A Postgres for the whole run; each who asks gets a database."""
    with some_postgres() as databases:
        yield databases


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest) -> Generator[None]:
    """The tests of a file on one kind of database, and then on the other."""
    databases: Databases | None = request.getfixturevalue("postgres") if request.param == "postgres" else None
    with database_choice.use(databases):
        yield


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A fresh server inside the test."""
    async with running(tmp_path) as app:
        yield app


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A server process shared by the whole run, with small clips."""
    with database_choice.use(None):
        server = ServerProcess(tmp_path_factory.mktemp("server"), local_width=320, local_height=180)
    server.start()
    yield server.url
    assert server.stop() == 0
