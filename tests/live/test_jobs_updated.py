"""Subscription.jobsUpdated: the caller's current jobs first, then the latest state of each job that changes."""

import asyncio
import time

import pytest

from models.domain.access import LOCAL
from subscriptions.latest import JOBS_INTERVAL_SECONDS
from tests.support import jobs
from tests.support.latest_values import next_value, no_value_follows, values_until
from tests.support.server_app import App
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.usefixtures("no_resync")

JOBS = "subscription Jobs($filter: JobFilter) { value: jobsUpdated(filter: $filter) { id title status version } }"


class TestJobsUpdated:
    """The stream of all jobs of the caller."""

    async def test_jobs_stream_starts_with_the_current_jobs_then_sends_changes(self, app: App) -> None:
        """A new job is sent; a change is sent as the newest state of its job."""
        ids = [(await jobs.make(app, title=f"Job {number}", provider="external")).id for number in range(3)]
        async with app.subscribe(JOBS) as stream:
            current = [await next_value(stream) for _ in ids]
            await jobs.retitle(app, ids[0], "Renamed")
            renamed = (await values_until(stream, title="Renamed"))[-1]
            new = await jobs.make(app, title="New", provider="external")
            appeared = (await values_until(stream, id=new.id))[-1]
        assert {each["id"]: each["title"] for each in current} == dict(
            zip(ids, ("Job 0", "Job 1", "Job 2"), strict=True)
        )
        assert renamed == {"id": ids[0], "title": "Renamed", "status": "PENDING", "version": 2}
        assert appeared == {"id": new.id, "title": "New", "status": "PENDING", "version": 1}

    async def test_jobs_stream_sends_more_jobs_than_one_page(self, app: App) -> None:
        """Each job once."""
        ids = {(await jobs.make(app, title=f"Job {number}", provider="external")).id for number in range(105)}
        async with app.subscribe(JOBS) as stream:
            current = [(await next_value(stream))["id"] for _ in ids]
        assert len(current) == len(set(current))
        assert set(current) == ids

    async def test_jobs_stream_sends_only_jobs_that_match_the_filter(self, app: App) -> None:
        """At the start and later."""
        red = await jobs.make(app, title="Red", provider="external")
        blue = await jobs.make(app, title="Blue", provider="external")
        async with app.subscribe(JOBS, filter={"search": "red"}) as stream:
            first = await next_value(stream)
            await jobs.retitle(app, blue.id, "Bluer")
            await jobs.make(app, title="Green", provider="external")
            await jobs.retitle(app, red.id, "Redder")
            later = (await values_until(stream, title="Redder"))[-1]
            assert await no_value_follows(stream)
        assert (first["title"], later["title"]) == ("Red", "Redder")

    async def test_job_that_no_longer_matches_the_filter_is_sent_once_more(self, app: App) -> None:
        """A client can then remove it from its list; it is sent again once it matches again."""
        made = await jobs.make(app, title="Red", provider="external")
        async with app.subscribe(JOBS, filter={"search": "red"}) as stream:
            await next_value(stream)
            await jobs.retitle(app, made.id, "Blue")
            left = await values_until(stream, title="Blue")
            await jobs.retitle(app, made.id, "Bluer")
            assert await no_value_follows(stream)
            await jobs.retitle(app, made.id, "Red again")
            back = await values_until(stream, title="Red again")
        assert [each["version"] for each in left + back] == [2, 4]

    async def test_job_that_starts_to_match_the_filter_is_sent(self, app: App) -> None:
        """Here by a change of its status."""
        made = await jobs.make(app, provider="external")
        async with app.subscribe(JOBS, filter={"status": ["PROCESSING"]}) as stream:
            await jobs.change(app, "startJob", jobId=made.id)
            appeared = await values_until(stream, id=made.id, status="PROCESSING")
            await jobs.change(app, "cancelJob", jobId=made.id)
            left = await values_until(stream, id=made.id, status="CANCELED")
        assert [each["status"] for each in appeared + left] == ["PROCESSING", "CANCELED"]

    async def test_jobs_stream_sends_the_last_state_of_every_job(self, app: App) -> None:
        """Many jobs change at once; intermediate states are skipped."""
        made = [(await jobs.make(app, title=f"Job {number}", provider="external")).id for number in range(5)]
        async with app.subscribe(JOBS) as stream:
            for _ in made:
                await next_value(stream)
            started_at = time.monotonic()
            for number in range(2, 22):
                for job_id in made:
                    await app.container.coordinator.commands().jobs.update(LOCAL, job_id, {"title": f"Title {number}"})
            latest: dict[str, int] = {}
            values = 0
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while latest != dict.fromkeys(made, 21):
                    job = await next_value(stream)
                    latest[job["id"]] = job["version"]
                    values += 1
        intervals = (time.monotonic() - started_at) / JOBS_INTERVAL_SECONDS
        assert values <= len(made) * (intervals + 2)
