"""Fixtures that need the server or a database. The conftest of a folder registers this module as a plugin."""

import signal
from collections.abc import AsyncGenerator, Generator
from datetime import timedelta
from pathlib import Path

import pytest

from coordinator.webhooks import deliveries, http_client
from tests.support.compiled_statements import share_compiled_statements
from tests.support.database_choice import database_choice
from tests.support.database_timeouts import long_timeouts
from tests.support.postgres import Databases, some_postgres
from tests.support.server_app import App, running
from tests.support.server_process import ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS
from tests.support.webhook_receiver import Receiver, receiving


def pytest_configure(config: pytest.Config) -> None:
    """Compile the statements of the product once for all servers of this process."""
    share_compiled_statements()


@pytest.fixture(scope="session", autouse=True)
def long_database_timeouts() -> Generator[None]:
    """No statement of a server in this process is given up because the machine is busy."""
    with long_timeouts():
        yield


@pytest.fixture(scope="session")
def postgres() -> Generator[Databases]:
    """A Postgres for the whole run, and the databases on it."""
    with some_postgres() as databases:
        yield databases


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest) -> Generator[None]:
    """Put the databases of new servers on the kind that the test is parametrized with."""
    databases: Databases | None = request.getfixturevalue("postgres") if request.param == "postgres" else None
    with database_choice.use(databases):
        yield


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A new server inside the event loop of the test."""
    async with running(tmp_path) as app:
        yield app


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The URL of a server process that the whole run shares; its clips are small."""
    with database_choice.use(None):
        server = ServerProcess(tmp_path_factory.mktemp("server"), local_width=320, local_height=180)
    server.start()
    yield server.url
    assert server.stop() == 0


@pytest.fixture
def sighup_not_ignored() -> Generator[None]:
    """Start processes that do not ignore SIGHUP, also when the tests were started by `nohup`, which ignores it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Receiver]:
    """A receiver of webhooks that accepts every delivery until a test changes its answer.

    No attempt fails because a busy machine connects slowly: a sample is attempted once.
    """
    monkeypatch.setattr(http_client, "CONNECT_SECONDS", TIMEOUT_SECONDS)
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def endless_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a webhook attempt at a receiver that hangs, and its lease, outlast the test, however busy the machine is."""
    monkeypatch.setattr(http_client, "TOTAL_SECONDS", 3600.0)
    monkeypatch.setattr(deliveries, "LEASE", timedelta(hours=2))
