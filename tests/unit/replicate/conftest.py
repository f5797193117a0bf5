"""A fake of Replicate, and providers that use it."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from providers.hosted.retrying import Pace
from providers.port import Order
from providers.replicate.provider import ReplicateProvider
from tests.support.orders import an_order
from tests.support.property_settings import EFFORT
from tests.support.replicate import OURS, QUICK, STRANGE, FakeReplicate, NewProvider


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures of the fake."""
    config.pluginmanager.import_plugin("tests.support.replicate_fixtures")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test with both fakes; the second was written from the documentation of the API alone.

    Tests of many cases run with the second one alone, but in `make proof`.
    """
    if "fake_process" in metafunc.fixturenames:
        of_cases = metafunc.definition.get_closest_marker("parametrize") is not None
        fakes = {"strange": STRANGE} if of_cases and EFFORT <= 1 else {"ours": OURS, "strange": STRANGE}
        metafunc.parametrize("fake_process", fakes.values(), indirect=True, ids=fakes.keys(), scope="module")


@pytest.fixture
async def new_provider(fake: FakeReplicate) -> AsyncGenerator[NewProvider]:
    """Make providers, each as in a new process; they are closed in the end."""
    providers: list[ReplicateProvider] = []

    def make(pace: Pace = QUICK, **settings: Any) -> ReplicateProvider:
        providers.append(fake.provider(pace, **settings))
        return providers[-1]

    yield make
    for provider in providers:
        await provider.close()


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """An order of one second, which may have been submitted since the test began."""
    return an_order(tmp_path, duration_seconds=1.0, started_at=datetime.now(UTC))
