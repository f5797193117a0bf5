"""What a stream keeps while it waits: there may be thousands, which wait much longer than they make messages."""

import gc
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from models.db.rows import JobRow
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


def rows_of(job_id: str) -> list[JobRow]:
    """Return all rows of a job that this process keeps."""
    gc.collect()
    return [each for each in gc.get_objects() if type(each) is JobRow and each.id == job_id]


async def test_stream_that_has_sent_the_state_keeps_no_row_of_its_job(app: App) -> None:
    """Nor the loaders that have read it; the next message reads what it needs."""
    made = await jobs.make(app, provider="external")
    async with multiplexed(app) as socket:
        await socket.subscribe("state", FEED, jobId=made.id)
        assert (await socket.feed("state"))["job"]["id"] == made.id
        await eventually(lambda: not rows_of(made.id))
        version = await jobs.retitle(app, made.id, "Live")
        event = await socket.feed("state")
        assert event["version"] == version
