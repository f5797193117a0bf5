"""Subscription.jobProgress: the current progress first, then the latest once per interval, including the last."""

import asyncio
import time
from contextlib import aclosing
from typing import NamedTuple

import pytest

from subscriptions import latest
from tests.support import jobs
from tests.support.internals import context_of, flood, row_of
from tests.support.latest_values import error_of, next_value, no_value_follows, values_until
from tests.support.server_app import App
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.usefixtures("no_resync")

PROGRESS = """
subscription Progress($id: ID!, $interval: Int! = 100) {
  value: jobProgress(jobId: $id, minIntervalMs: $interval) {
    total pending processing completed failed canceled percentage currentStage stageLabel version
  }
}
"""


class Arrival(NamedTuple):
    """A progress value: its version and the time of its arrival in seconds."""

    at: float
    version: int


class TestJobProgress:
    """The stream of a job's progress."""

    async def test_progress_stream_starts_with_the_current_progress(self, app: App) -> None:
        """Complete, and nothing follows while the job does not change."""
        made = await jobs.make(app, jobs.scene(), jobs.scene(), provider="external")
        await jobs.change(app, "updateScene", sceneId=made.scenes[0], status="PROCESSING", percentage=50)
        async with app.subscribe(PROGRESS, id=made.id) as stream:
            assert await next_value(stream) == {
                "total": 2,
                "pending": 1,
                "processing": 1,
                "completed": 0,
                "failed": 0,
                "canceled": 0,
                "percentage": 25.0,
                "currentStage": "GENERATING",
                "stageLabel": "Generating scene 1 of 2",
                "version": 3,
            }
            assert await no_value_follows(stream)

    async def test_latest_progress_is_sent_after_skipped_values(self, app: App) -> None:
        """Including a change of percentage, which does not raise the version."""
        made = await jobs.make(app, jobs.scene(), jobs.scene(), provider="external")
        one, two = made.scenes
        async with app.subscribe(PROGRESS, id=made.id) as stream:
            await next_value(stream)
            for number in range(20):
                await jobs.retitle(app, made.id, f"Title {number}")
            await jobs.change(app, "updateScene", sceneId=one, status="COMPLETED")
            await values_until(stream, completed=1, percentage=50.0)
            await jobs.change(app, "updateScene", sceneId=two, status="PROCESSING")
            await values_until(stream, processing=1)
            await jobs.change(app, "updateScene", sceneId=two, percentage=80)
            await values_until(stream, percentage=90.0)
            await jobs.change(app, "updateScene", sceneId=two, status="COMPLETED")
            await values_until(stream, percentage=100.0, currentStage="DONE")

    async def test_last_progress_of_a_run_equals_the_database(self, app: App) -> None:
        """The percentage never decreases during the run."""
        made = await jobs.make(app, jobs.scene(), jobs.scene(failTakes=1), start=True)
        async with app.subscribe(PROGRESS, id=made.id) as stream:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                values = [await next_value(stream)]
                while values[-1]["currentStage"] != "DONE":
                    values.append(await next_value(stream))
        assert values == sorted(values, key=lambda value: (value["version"], value["percentage"]))
        percentages = [value["percentage"] for value in values]
        assert percentages == sorted(percentages)
        version = (await jobs.job(app, made.id, "version"))["version"]
        assert (values[-1]["version"], values[-1]["completed"]) == (version, 2)

    async def test_change_during_a_read_of_progress_is_sent_next(self, app: App) -> None:
        """No change is lost between a read and the wait for the next change."""
        made = await jobs.make(app, provider="external")

        async def read_then_change() -> int:
            version = (await row_of(app, made.id)).version
            if version == 1:
                await flood(app, made.id, 1)
            return version

        async with aclosing(latest.latest(context_of(app), made.id, read_then_change, 0.0)) as versions:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                assert [await anext(versions) for _ in range(2)] == [1, 2]

    async def test_progress_is_sent_at_most_once_per_interval(self, app: App) -> None:
        """However often the job changes; the last version is among the values."""
        made = await jobs.make(app, provider="external")
        interval_seconds = 0.4
        last = asyncio.get_running_loop().create_future()

        async def listen() -> list[Arrival]:
            async with app.subscribe(PROGRESS, id=made.id, interval=int(interval_seconds * 1000)) as stream:
                first = (await next_value(stream))["version"]
                arrivals = [Arrival(time.monotonic(), first)]
                while not last.done() or arrivals[-1].version != last.result():
                    version = (await next_value(stream))["version"]
                    arrivals.append(Arrival(time.monotonic(), version))
            return arrivals

        listening = asyncio.create_task(listen())
        started_at = time.monotonic()
        version = 1
        while time.monotonic() - started_at < 3.2 * interval_seconds:
            version = await jobs.retitle(app, made.id, f"Title {version}")
        # Known before the change, because its message may arrive before its response.
        last.set_result(version + 1)
        assert await jobs.retitle(app, made.id, "The last title") == version + 1
        async with asyncio.timeout(TIMEOUT_SECONDS):
            arrivals = await listening
        versions = [arrival.version for arrival in arrivals]
        assert versions == sorted(set(versions))
        assert 2 <= len(arrivals) <= (arrivals[-1].at - started_at) / interval_seconds + 2

    @pytest.mark.parametrize("interval", [-1, 60_001])
    async def test_progress_interval_out_of_range_is_refused(self, app: App, interval: int) -> None:
        """The range is 0 to one minute."""
        made = await jobs.make(app)
        error = await error_of(app, PROGRESS, id=made.id, interval=interval)
        assert error == ("VALIDATION_FAILED", ["minIntervalMs"])

    @pytest.mark.parametrize("interval", [0, 60_000])
    async def test_progress_interval_at_the_edge_of_the_range_is_accepted(self, app: App, interval: int) -> None:
        """The range includes both limits."""
        made = await jobs.make(app)
        async with app.subscribe(PROGRESS, id=made.id, interval=interval) as stream:
            assert (await next_value(stream))["version"] == 1

    async def test_progress_stream_of_an_unknown_job_is_refused(self, app: App) -> None:
        """The error names the argument."""
        assert await error_of(app, PROGRESS, id="job_01h455vb4pex5vsknk084sn02q") == ("NOT_FOUND", ["jobId"])
