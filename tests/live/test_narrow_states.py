"""The state that begins a stream, read by one statement where nothing else of the job is selected."""

from typing import NoReturn

import pytest

from schema.loaders import Loaders
from tests.support import jobs
from tests.support.client import Json, Stream
from tests.support.latest_values import error_of
from tests.support.server_app import App

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("no_resync")]

EVENTS = """subscription($id: ID!) {
    stream: jobEvents(jobId: $id) { ... on JobSnapshot { version reason } ... on JobEvent { version type } }
}"""
PROGRESS = "subscription($id: ID!) { stream: jobProgress(jobId: $id, minIntervalMs: 0) { version total stageLabel } }"
WITH_MORE = {
    "job": "subscription($id: ID!) { stream: jobEvents(jobId: $id) { ... on JobSnapshot { version job { id } } } }",
    "eta": "subscription($id: ID!) { stream: jobProgress(jobId: $id) { version etaSeconds } }",
}


def unused(_loaders: Loaders) -> NoReturn:
    """Fail a read by a loader, which needs a transaction."""
    raise AssertionError("a loader is used")


async def first_of(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> Json:
    """Return the state that begins the stream, read without loaders."""
    with monkeypatch.context() as patch:
        patch.setattr(Loaders, "job", property(unused))
        patch.setattr(Loaders, "snapshot", property(unused))
        return (await stream.next())["stream"]


async def test_events_begin_at_the_version_of_the_job(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed after it follows without a gap."""
    made = await jobs.make(app, jobs.scene("One"), provider="external")
    version = await jobs.retitle(app, made.id, "A title")
    async with app.subscribe(EVENTS, id=made.id) as stream:
        assert await first_of(stream, monkeypatch) == {"version": version, "reason": "INITIAL"}
        for number in range(3):
            version = await jobs.retitle(app, made.id, f"Title {number}")
            assert (await stream.next())["stream"] == {"version": version, "type": "JOB_UPDATED"}


async def test_progress_follows_each_change(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await jobs.make(app, jobs.scene("One"), jobs.scene("Two"), provider="external")
    async with app.subscribe(PROGRESS, id=made.id) as stream:
        first = await first_of(stream, monkeypatch)
        assert first["total"] == 2
        version = await jobs.retitle(app, made.id, "A title")
        assert (await stream.next())["stream"] == {**first, "version": version}


@pytest.mark.parametrize("name", WITH_MORE)
async def test_what_reads_more_shows_the_same_version(app: App, name: str) -> None:
    made = await jobs.make(app, jobs.scene("One"), provider="external")
    version = await jobs.retitle(app, made.id, "A title")
    async with app.subscribe(WITH_MORE[name], id=made.id) as stream:
        assert (await stream.next())["stream"]["version"] == version


@pytest.mark.parametrize("text", [EVENTS, PROGRESS, *WITH_MORE.values()], ids=["events", "progress", *WITH_MORE])
@pytest.mark.parametrize(
    "job_id", ["job_01h455vb4pex5vsknk084sn02q", "nothing", "scene_\x00"], ids=["id", "text", "nul"]
)
async def test_job_that_is_not_there_is_the_same_error(app: App, text: str, job_id: str) -> None:
    assert await error_of(app, text, id=job_id) == ("NOT_FOUND", ["jobId"])
