"""A fake of Replicate, and providers that use it."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import pytest

from providers.port import Order
from providers.replicate.provider import ReplicateProvider
from providers.replicate.retrying import Pace
from tests.support.orders import an_order
from tests.support.replicate import QUICK, FakeReplicate, NewProvider


@pytest.fixture(scope="module")
def process() -> Generator[FakeReplicate]:
    """One process for the tests of a file."""
    fake = FakeReplicate()
    yield fake
    fake.stop()


@pytest.fixture
def fake(process: FakeReplicate) -> FakeReplicate:
    """The fake, without predictions and faults of other tests."""
    process.command("reset")
    return process


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
