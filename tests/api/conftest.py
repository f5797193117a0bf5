"""A server for each file of tests, beside the fresh one that every test can have."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.support.server_app import App, running


@pytest.fixture(scope="module", autouse=True)
def on_each_database(database: None) -> None:
    """All tests of this folder."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(on_each_database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """One server for the tests of a file that do not get into each other's way; they run in the loop of the file."""
    async with running(tmp_path_factory.mktemp("api")) as app:
        yield app
