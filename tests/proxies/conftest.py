"""Fixtures of the tests with a proxy or a pooler in front."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures that need the server."""
    config.pluginmanager.import_plugin("tests.support.fixtures")
