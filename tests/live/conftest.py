"""What the tests in this folder cannot be without."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Ignore what the server ignores too: graphql-core drops fields that it had not begun when a stream was cut off."""
    ignored = "ignore:coroutine '.*_async_resolver' was never awaited:RuntimeWarning"
    config.addinivalue_line("filterwarnings", ignored)
    config.pluginmanager.import_plugin("tests.support.fixtures")
