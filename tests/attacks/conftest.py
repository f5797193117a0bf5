"""A target and a canary for each file of attacks."""

import os
from collections.abc import AsyncGenerator, Generator

import pytest

from tests.support.attack_target import BOB, Target
from tests.support.canary import Canary
from tests.support.client import Client


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures that need the server."""
    config.pluginmanager.import_plugin("tests.support.fixtures")


QUIET_SECONDS = 0.5
"""What another user may have to wait, whatever is being asked; on a machine that has more to do than it has cores for,
as many times longer as everything else takes there."""


def patience_seconds() -> float:
    """By the load of the last minute."""
    return QUIET_SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


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
    assert target.process.stop() == 0
    assert "Internal error" not in target.log, target.log
    assert "Traceback" not in target.log, target.log


@pytest.fixture(scope="module", autouse=True)
def canary(target: Target) -> Generator[None]:
    """While a file runs, another user's requests are neither slow nor rejected."""
    canary = Canary.start(*target.place, BOB)
    yield
    report = canary.report()
    canary.stop()
    assert report.wrong == []
    assert report.worst_seconds <= patience_seconds(), report


@pytest.fixture
async def mallory(target: Target) -> AsyncGenerator[Client]:
    """The attacker's client, with a valid token."""
    client = target.client()
    yield client
    await client.close()
