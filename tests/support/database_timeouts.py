"""The timeouts of Postgres connections, lengthened so that a busy machine is not taken for a database that is down."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest

from models.db import database, engines
from tests.support.waiting import TIMEOUT_SECONDS

_PRODUCTION_SETTINGS = dict(engines.SERVER_SETTINGS)
_PRODUCTION_SECONDS = {
    (database, "WAIT_SECONDS"): database.WAIT_SECONDS,
    (database, "CONNECT_SECONDS"): engines.CONNECT_SECONDS,
    (database, "COMMAND_SECONDS"): engines.COMMAND_SECONDS,
    (engines, "CONNECT_SECONDS"): engines.CONNECT_SECONDS,
    (engines, "COMMAND_SECONDS"): engines.COMMAND_SECONDS,
}


def lengthen_timeouts(patch: pytest.MonkeyPatch) -> None:
    """Let statements, connects and waits for locks or connections take as long as the tests themselves."""
    for module, name in _PRODUCTION_SECONDS:
        patch.setattr(module, name, TIMEOUT_SECONDS)
    for name in engines.SERVER_SETTINGS:
        patch.setitem(engines.SERVER_SETTINGS, name, f"{TIMEOUT_SECONDS:.0f}s")


@contextmanager
def production_timeouts() -> Generator[None]:
    """Use the timeouts of production in this block."""
    with pytest.MonkeyPatch.context() as patch:
        for (module, name), seconds in _PRODUCTION_SECONDS.items():
            patch.setattr(module, name, seconds)
        for name, value in _PRODUCTION_SETTINGS.items():
            patch.setitem(engines.SERVER_SETTINGS, name, value)
        yield
