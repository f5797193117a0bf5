"""The timeouts of Postgres connections, lengthened so that a busy machine is not taken for a database that is down."""

from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType
from unittest.mock import patch

from models.db import database, engines
from tests.support.waiting import TIMEOUT_SECONDS

_PRODUCTION: Mapping[tuple[ModuleType, str], float] = {
    (database, "WAIT_SECONDS"): database.WAIT_SECONDS,
    (database, "CONNECT_SECONDS"): engines.CONNECT_SECONDS,
    (database, "COMMAND_SECONDS"): engines.COMMAND_SECONDS,
    (engines, "CONNECT_SECONDS"): engines.CONNECT_SECONDS,
    (engines, "COMMAND_SECONDS"): engines.COMMAND_SECONDS,
}
_PRODUCTION_SETTINGS = dict(engines.SERVER_SETTINGS)


@contextmanager
def long_timeouts() -> Generator[None]:
    """Let statements, connects and waits for locks or connections take as long as the waits of tests."""
    seconds = dict.fromkeys(_PRODUCTION, TIMEOUT_SECONDS)
    with _timeouts(seconds, dict.fromkeys(_PRODUCTION_SETTINGS, f"{TIMEOUT_SECONDS:.0f}s")):
        yield


@contextmanager
def production_timeouts() -> Generator[None]:
    """Use the timeouts of production in this block."""
    with _timeouts(_PRODUCTION, _PRODUCTION_SETTINGS):
        yield


@contextmanager
def _timeouts(seconds: Mapping[tuple[ModuleType, str], float], settings: Mapping[str, str]) -> Generator[None]:
    with ExitStack() as stack:
        for (module, name), value in seconds.items():
            stack.enter_context(patch.object(module, name, value))
        stack.enter_context(patch.dict(engines.SERVER_SETTINGS, settings))
        yield
