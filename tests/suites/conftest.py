"""Fixtures of this folder."""

from collections.abc import Generator
from functools import partial
from pathlib import Path

import pytest

from tests.support.database_choice import database_choice
from tests.support.postgres_processes import queue_for
from tests.support.tickets import Open


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures that need the server."""
    config.pluginmanager.import_plugin("tests.support.fixtures")


@pytest.fixture
def open_queue(database: None, tmp_path: Path) -> Generator[Open]:
    """Open the queue that belongs to the database under test; each call is like another process."""
    yield partial(queue_for, tmp_path)
    database_choice.drop(tmp_path)
