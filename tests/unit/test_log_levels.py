"""The levels of log records by module."""

import logging
from collections.abc import Generator

import pytest

from server.settings import WrongSettings, load
from server.telemetry.levels import WARNINGS_ONLY, set_levels

MODULES = ("coordinator.renders", "providers.replicate", "scenewire.access")


@pytest.fixture(autouse=True)
def same_levels() -> Generator[None]:
    """Restore the levels of all loggers that the tests set."""
    loggers = [logging.getLogger(name) for name in (None, *WARNINGS_ONLY, *MODULES)]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


def test_level_of_a_module_is_that_of_everything_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """All others have the common one."""
    monkeypatch.setenv(
        "SCENEWIRE_LOG_LEVELS", " coordinator.renders=DEBUG, providers.replicate=warning,scenewire.access=error"
    )
    settings = load()
    set_levels(settings.log_level, settings.log_levels)
    names = (
        "coordinator.renders.claims",
        "coordinator.queue",
        "providers.replicate.client",
        "scenewire.access",
        "httpx",
    )
    levels = [logging.getLevelName(logging.getLogger(name).getEffectiveLevel()) for name in names]
    assert levels == ["DEBUG", "INFO", "WARNING", "ERROR", "WARNING"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            "coordinator.renders=loud",
            "'loud' is not a level of coordinator.renders; the levels are debug, info, warning, error",
        ),
        (
            "coordinator.renders",
            "'coordinator.renders' is not a module and its level, such as coordinator.renders=DEBUG",
        ),
        ("=debug", "'=debug' is not a module and its level, such as coordinator.renders=DEBUG"),
        ("coordinator.rendrs=debug", "there is no module 'coordinator.rendrs'; a module is named as in the log"),
        ("cordinator=debug", "there is no module 'cordinator'; a module is named as in the log"),
        ("httpx=info", "httpx logs prompts or tokens below warning, so httpx cannot be set to info"),
        (
            "sqlalchemy.engine=debug",
            "sqlalchemy logs prompts or tokens below warning, so sqlalchemy.engine cannot be set",
        ),
        ("uvicorn.error.x=debug", "uvicorn.error logs prompts or tokens below warning"),
    ],
    ids=["level", "bare", "nameless", "typo", "package", "client", "statements", "below"],
)
def test_wrong_level_is_one_line_that_names_the_setting(
    value: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server does not start."""
    monkeypatch.setenv("SCENEWIRE_LOG_LEVELS", value)
    with pytest.raises(WrongSettings) as raised:
        load()
    line = str(raised.value)
    assert line.startswith(f"SCENEWIRE_LOG_LEVELS: {reason}")
    assert "\n" not in line
