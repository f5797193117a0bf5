"""Following the list of jobs with the Python client."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from scenewire import Client, JobFilter, JobSummary
from tests.support import jobs
from tests.support.freezing_proxy import freezing_proxy
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS, eventually

Jobs = tuple[JobSummary, ...]


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A server without renders."""
    async with running(tmp_path, renders=False) as app:
        yield app


def titles(shown: Jobs) -> list[str]:
    """Return the titles, in order."""
    return [job.title for job in shown]


async def until(lists: AsyncGenerator[Jobs], expected: list[str]) -> list[list[str]]:
    """Read lists up to the one with these titles; return all that were read."""
    seen: list[list[str]] = []
    async with asyncio.timeout(TIMEOUT_SECONDS):
        async for shown in lists:
            seen.append(titles(shown))
            if seen[-1] == expected:
                return seen
    raise AssertionError(seen)


async def test_list_has_every_job_that_matches_and_no_other(app: App) -> None:
    """The first list is whole. New jobs come in, those that match no longer and deleted ones leave."""
    made = [await jobs.make(app, jobs.scene("One"), title=f"Coast {number:03}") for number in range(105)]
    await jobs.make(app, title="Forest")
    every = [f"Coast {number:03}" for number in reversed(range(105))]
    chosen: JobFilter = {"search": "cOAst", "status": ["PENDING"]}
    async with Client(app.url) as client, aclosing(client.follow_jobs(chosen)) as lists:
        assert titles(await anext(lists)) == every
        await jobs.make(app, jobs.scene("One"), title="Coast new")
        assert await until(lists, ["Coast new", *every]) == [["Coast new", *every]]
        await jobs.change(app, "startJob", jobId=made[104].id)
        await until(lists, ["Coast new", *every[1:]])
        await jobs.retitle(app, made[103].id, "Forest")
        await until(lists, ["Coast new", *every[2:]])
        await jobs.change(app, "deleteJob", jobId=made[102].id)
        await until(lists, ["Coast new", *every[3:]])
    await eventually(lambda: app.container.hub.watchers == 0)


async def test_list_after_a_cut_is_the_current_one_and_never_a_part(app: App) -> None:
    """Also when no job is left; `on_state` reports the time in between."""
    host, port = app.url.removeprefix("http://").split(":")
    states: list[str] = []
    async with (
        freezing_proxy(host, int(port)) as line,
        Client(f"http://127.0.0.1:{line.port}") as client,
        aclosing(client.follow_jobs(on_state=states.append)) as lists,
    ):
        assert await anext(lists) == ()
        made = [await jobs.make(app, title=f"Job {number}") for number in range(3)]
        await until(lists, ["Job 2", "Job 1", "Job 0"])
        line.cut()
        await jobs.change(app, "deleteJob", jobId=made[1].id)
        assert await until(lists, ["Job 2", "Job 0"]) == [["Job 2", "Job 0"]]
        line.cut()
        for each in (made[0], made[2]):
            await jobs.change(app, "deleteJob", jobId=each.id)
        assert await until(lists, []) == [[]]
    assert states[:3] == ["connecting", "live", "reconnecting"]


async def test_any_subscription_is_sent_again_after_a_cut(app: App) -> None:
    """With the variables of that moment."""
    host, port = app.url.removeprefix("http://").split(":")
    made = [await jobs.make(app, title=f"Job {number}") for number in range(2)]
    ids = iter([each.id for each in made])
    document = "subscription($id: ID!) { jobProgress(jobId: $id) { jobId } }"
    async with (
        freezing_proxy(host, int(port)) as line,
        Client(f"http://127.0.0.1:{line.port}") as client,
        aclosing(client.subscribe(document, lambda: {"id": next(ids)})) as results,
    ):
        for each in made:
            assert await anext(results) == {"jobProgress": {"jobId": each.id}}
            line.cut()
