"""A target and a canary for each file of attacks."""

from collections.abc import AsyncGenerator, Generator

import pytest

from tests.support.attack_target import BOB, Target
from tests.support.canary import Canary
from tests.support.client import Client
from tests.support.machine_speed import slowness


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures that need the server."""
    config.pluginmanager.import_plugin("tests.support.fixtures")


# CPU time of the server's event loop: the longest that one step may keep the requests of other users waiting, on a
# quiet machine.
BLOCKED_SECONDS = 0.15


@pytest.fixture(scope="module", autouse=True)
def use_database(database: None) -> None:
    """Parametrize every test of this folder with its database."""


@pytest.fixture(scope="module")
def settings() -> dict[str, float]:
    """The settings of a file that differ from the defaults of production."""
    return {}


@pytest.fixture(scope="module")
def target(database: None, settings: dict[str, float], tmp_path_factory: pytest.TempPathFactory) -> Generator[Target]:
    """A server for the file; after all attacks it stops with status 0 and has logged no error."""
    target = Target(tmp_path_factory.mktemp("target"), **settings)
    target.process.start()
    yield target
    assert target.stop() == 0
    assert "Internal error" not in target.log, target.log
    assert "Traceback" not in target.log, target.log


@pytest.fixture(scope="module")
def canary(target: Target) -> Generator[None]:
    """Send small requests as another user while the tests of a file run: none may fail."""
    canary = Canary.start(*target.place, BOB)
    yield
    report = canary.report()
    canary.stop()
    assert report.errors == []


@pytest.fixture(autouse=True)
def quiet(target: Target, canary: None) -> Generator[None]:
    """After each attack: the event loop was never blocked for long."""
    target.probe()
    before = slowness()
    yield
    blocked = target.probe()
    slower = max(before, slowness())
    assert blocked <= BLOCKED_SECONDS * slower, slower


@pytest.fixture
async def mallory(target: Target) -> AsyncGenerator[Client]:
    """The attacker's client, with a valid token."""
    client = target.client()
    yield client
    await client.close()
