"""A server for each file of tests, beside the fresh one that every test can have."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.support.server_app import App, running


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
