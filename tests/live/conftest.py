"""Fixtures and warning filters of this folder."""

import pytest

from coordinator.live import hub


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures that need the server, and ignore the warnings that the server ignores.

    graphql-core drops the fields that it has not started when a stream ends early. Where the collector drops them while
    a namedtuple is made, which runs without builtins, Python cannot even warn, and reports an unraisable KeyError.
    """
    config.pluginmanager.import_plugin("tests.support.fixtures")
    config.pluginmanager.import_plugin("tests.support.replicate_fixtures")
    never_awaited = "ignore:coroutine '.*_async_resolver' was never awaited:RuntimeWarning"
    unraisable = (
        "ignore:Exception ignored in. <coroutine object .*_async_resolver:pytest.PytestUnraisableExceptionWarning"
    )
    for ignored in (never_awaited, unraisable):
        config.addinivalue_line("filterwarnings", ignored)


@pytest.fixture
def no_resync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the periodic resync of the hub off: it would hide that the direct path lost a change."""
    monkeypatch.setattr(hub, "RESYNC_SECONDS", 3_600.0)
