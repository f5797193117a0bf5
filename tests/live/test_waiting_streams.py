"""What a stream keeps while it waits: there may be thousands, which wait much longer than they make messages."""

import gc
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from strawberry.dataloader import DataLoader

from tests.support import jobs
from tests.support.job_feed import FEED
from tests.support.multiplexed import multiplexed
from tests.support.server_app import App, running
from tests.support.stream_modes import MODES, use
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("no_resync")


@pytest.fixture(params=MODES)
async def app(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[App]:
    """A server in each mode."""
    async with running(tmp_path, **use(request.param, monkeypatch)) as app:
        yield app


def loaders() -> list[object]:
    """Return all loaders of this process, which keep what they have read."""
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, DataLoader)]


async def test_stream_that_has_sent_the_state_keeps_no_loaders(app: App) -> None:
    """The next message reads what it needs."""
    before = loaders()
    made = await jobs.make(app, provider="external")
    async with multiplexed(app) as socket:
        await socket.subscribe("state", FEED, jobId=made.id)
        assert (await socket.feed("state"))["job"]["id"] == made.id
        await eventually(lambda: all(any(each is other for other in before) for each in loaders()))
        version = await jobs.retitle(app, made.id, "Live")
        event = await socket.feed("state")
        assert event["version"] == version
