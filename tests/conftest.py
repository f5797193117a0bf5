"""Fixtures that every kind of test shares."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from tests.harness.app import App, running
from tests.harness.process import ServerProcess


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A fresh server inside the test."""
    async with running(tmp_path) as app:
        yield app


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A server process shared by the whole run, with small clips."""
    server = ServerProcess(tmp_path_factory.mktemp("server"), local_width=320, local_height=180)
    server.start()
    yield server.url
    assert server.stop() == 0
