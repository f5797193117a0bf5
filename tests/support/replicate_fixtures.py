"""Fixtures of the fake Replicate API. A conftest registers this module as a plugin."""

from collections.abc import Generator

import pytest

from tests.support.replicate import OURS, FakeReplicate


@pytest.fixture(scope="module")
def fake_process(request: pytest.FixtureRequest) -> Generator[FakeReplicate]:
    """The process of the fake, for the tests of a file."""
    fake = FakeReplicate(getattr(request, "param", OURS))
    yield fake
    fake.stop()


@pytest.fixture
def fake(fake_process: FakeReplicate) -> FakeReplicate:
    """The fake, without predictions and faults of other tests."""
    fake_process.command("reset")
    return fake_process
