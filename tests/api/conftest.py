"""A server for each file of tests, beside the fresh one that every test can have."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from coordinator.webhooks import http_client
from tests.support.clip_host import Host, clip_bytes, hosting
from tests.support.delivered_files import PLAIN
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures that need the server."""
    config.pluginmanager.import_plugin("tests.support.fixtures")


@pytest.fixture(scope="module", autouse=True)
def use_database(database: None) -> None:
    """Parametrize every test of this folder with its database."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """One server for the tests of a file that do not get into each other's way; they run in the loop of the file."""
    async with running(tmp_path_factory.mktemp("api")) as app:
        yield app


@pytest_asyncio.fixture(loop_scope="module")
async def host(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Host]:
    """A host of clips, without files; in the loop of the file. It is not asked again because the machine is busy."""
    monkeypatch.setattr(http_client, "CONNECT_SECONDS", TIMEOUT_SECONDS)
    monkeypatch.setattr(http_client, "TOTAL_SECONDS", TIMEOUT_SECONDS)
    async with hosting() as host:
        yield host


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A clip of one second."""
    return clip_bytes(tmp_path_factory.mktemp("clip"), PLAIN)
