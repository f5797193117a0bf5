"""A fake of Replicate, and providers that use it."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from providers.port import Order
from providers.replicate.provider import ReplicateProvider
from providers.replicate.retrying import Pace
from tests.support.orders import an_order
from tests.support.replicate import QUICK, FakeReplicate, NewProvider


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures of the fake."""
    config.pluginmanager.import_plugin("tests.support.replicate_fixtures")


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
    """An order of one second."""
    return an_order(tmp_path, duration_seconds=1.0)
