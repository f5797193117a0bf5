"""Fixtures of this folder."""

import pytest

from tests.support.server_process import ServerProcess


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures that need the server."""
    config.pluginmanager.import_plugin("tests.support.fixtures")


@pytest.fixture(autouse=True)
def long_database_timeouts_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start processes whose statements do not time out because the machine is busy."""
    monkeypatch.setattr(ServerProcess, "default_module", "tests.support.long_timeout_server")
