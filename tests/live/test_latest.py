"""The latest-value streams: the current value first, then the newest at most every interval, and never not the last."""

import asyncio
import time
from contextlib import aclosing
from typing import NamedTuple

import pytest

from coordinator.live import hub
from models.domain.access import LOCAL
from subscriptions import latest
from subscriptions.latest import JOBS_INTERVAL_SECONDS
from tests.support import jobs
from tests.support.client import Client, Json, Stream
from tests.support.internals import context_of, flood, row_of
from tests.support.server_app import App
from tests.support.waiting import TIMEOUT_SECONDS

PROGRESS = """
subscription Progress($id: ID!, $interval: Int! = 100) {
  value: jobProgress(jobId: $id, minIntervalMs: $interval) {
    total pending processing completed failed canceled percentage currentStage stageLabel version
  }
}
"""
SCENE = """
subscription Scene($id: ID!) {
  value: sceneUpdated(sceneId: $id) { id status percentage prompt deletedAt attempts output { contentType } }
}
"""
JOBS = "subscription Jobs($filter: JobFilter) { value: jobsUpdated(filter: $filter) { id title status version } }"



@pytest.fixture(autouse=True)
def no_resync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the periodic resync of the hub off: it would hide that the direct path lost a change."""
    monkeypatch.setattr(hub, "RESYNC_SECONDS", 3_600.0)


async def value(stream: Stream) -> Json:
    """The next value."""
    return (await stream.next())["value"]


async def until_it_is(stream: Stream, **wanted: object) -> list[Json]:
    """All values up to the first that has these fields; it must come soon."""
    values: list[Json] = []
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not values or {name: values[-1][name] for name in wanted} != wanted:
            values.append(await value(stream))
    return values


async def silence(stream: Stream) -> bool:
    """Whether nothing comes for longer than any interval of these streams."""
    try:
        async with asyncio.timeout(0.6):
            await value(stream)
    except TimeoutError:
        return True
    return False


async def code_of(client: Client, document: str, **variables: object) -> tuple[str, list[str] | None]:
    """Code and field of the error with which a subscription is refused."""
    async with client.subscribe(document, **variables) as stream:
        with pytest.raises(AssertionError) as caught:
            await stream.next()
    (error,) = caught.value.args[0]["payload"]
    return error["extensions"]["code"], error["extensions"].get("field")


class Arrival(NamedTuple):
    """A reading and when it came, in seconds."""

    at: float
    version: int


class TestJobProgress:
    """How far a job is, live."""

    async def test_the_current_reading_comes_first(self, app: App) -> None:
        """Whole, as the query tells it."""
        made = await jobs.make(app, jobs.scene(), jobs.scene(), provider="external")
        await jobs.change(app, "updateScene", sceneId=made.scenes[0], status="PROCESSING", percentage=50)
        async with app.subscribe(PROGRESS, id=made.id) as stream:
            assert await value(stream) == {
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
            assert await silence(stream)

    async def test_the_last_reading_comes_within_a_second(self, app: App) -> None:
        """Whatever was skipped before it, a fraction that the clock does not count included."""
        made = await jobs.make(app, jobs.scene(), jobs.scene(), provider="external")
        one, two = made.scenes
        async with app.subscribe(PROGRESS, id=made.id) as stream:
            await value(stream)
            for number in range(20):
                await jobs.retitle(app, made.id, f"Title {number}")
            await jobs.change(app, "updateScene", sceneId=one, status="COMPLETED")
            await until_it_is(stream, completed=1, percentage=50.0)
            await jobs.change(app, "updateScene", sceneId=two, status="PROCESSING")
            await until_it_is(stream, processing=1)
            await jobs.change(app, "updateScene", sceneId=two, percentage=80)
            await until_it_is(stream, percentage=90.0)
            await jobs.change(app, "updateScene", sceneId=two, status="COMPLETED")
            await until_it_is(stream, percentage=100.0, currentStage="DONE")

    async def test_a_stream_ends_with_what_the_database_says(self, app: App) -> None:
        """Through a whole run, where the percentage never falls."""
        made = await jobs.make(app, jobs.scene(), jobs.scene(failTakes=1), start=True)
        async with app.subscribe(PROGRESS, id=made.id) as stream:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                readings = [await value(stream)]
                while readings[-1]["currentStage"] != "DONE":
                    readings.append(await value(stream))
        assert readings == sorted(readings, key=lambda reading: (reading["version"], reading["percentage"]))
        percentages = [reading["percentage"] for reading in readings]
        assert percentages == sorted(percentages)
        version = (await jobs.job(app, made.id, "version"))["version"]
        assert (readings[-1]["version"], readings[-1]["completed"]) == (version, 2)

    async def test_what_happens_while_it_is_read_is_told_next(self, app: App) -> None:
        """Nothing falls between a reading and waiting for the next."""
        made = await jobs.make(app, provider="external")

        async def read_and_dawdle() -> int:
            version = (await row_of(app, made.id)).version
            if version == 1:
                await flood(app, made.id, 1)
            return version

        async with aclosing(latest.latest(context_of(app), made.id, read_and_dawdle, 0.0)) as versions:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                assert [await anext(versions) for _ in range(2)] == [1, 2]

    async def test_at_most_one_comes_per_interval(self, app: App) -> None:
        """However much happens meanwhile; yet the last of all is among them."""
        made = await jobs.make(app, provider="external")
        interval_seconds = 0.4
        last = asyncio.get_running_loop().create_future()

        async def listen() -> list[Arrival]:
            async with app.subscribe(PROGRESS, id=made.id, interval=int(interval_seconds * 1000)) as stream:
                first = (await value(stream))["version"]
                heard = [Arrival(time.monotonic(), first)]
                while not last.done() or heard[-1].version != last.result():
                    version = (await value(stream))["version"]
                    heard.append(Arrival(time.monotonic(), version))
            return heard

        listening = asyncio.create_task(listen())
        begun = time.monotonic()
        version = 1
        while time.monotonic() - begun < 3.2 * interval_seconds:
            version = await jobs.retitle(app, made.id, f"Title {version}")
        last.set_result(version)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            heard = await listening
        versions = [arrival.version for arrival in heard]
        assert versions == sorted(set(versions))
        assert 2 <= len(heard) <= (heard[-1].at - begun) / interval_seconds + 2

    @pytest.mark.parametrize("interval", [-1, 60_001])
    async def test_an_interval_out_of_range_is_refused(self, app: App, interval: int) -> None:
        """From 0 to a minute."""
        made = await jobs.make(app)
        refusal = await code_of(app, PROGRESS, id=made.id, interval=interval)
        assert refusal == ("VALIDATION_FAILED", ["minIntervalMs"])

    @pytest.mark.parametrize("interval", [0, 60_000])
    async def test_an_interval_at_the_edge_is_accepted(self, app: App, interval: int) -> None:
        """Both ends belong to it."""
        made = await jobs.make(app)
        async with app.subscribe(PROGRESS, id=made.id, interval=interval) as stream:
            assert (await value(stream))["version"] == 1

    async def test_a_job_that_is_not_there_is_refused(self, app: App) -> None:
        """With the name of the argument."""
        assert await code_of(app, PROGRESS, id="job_01h455vb4pex5vsknk084sn02q") == ("NOT_FOUND", ["jobId"])


class TestSceneUpdated:
    """One scene, live."""

    async def test_the_current_state_comes_first_and_then_the_latest(self, app: App) -> None:
        """Statuses, fractions, edits; and nothing of its neighbours."""
        made = await jobs.make(app, jobs.scene("Mine"), jobs.scene("Other"), provider="external")
        mine, other = made.scenes
        async with app.subscribe(SCENE, id=mine) as stream:
            first = await value(stream)
            await jobs.change(app, "updateScene", sceneId=mine, status="PROCESSING")
            started = await until_it_is(stream, status="PROCESSING")
            await jobs.change(app, "updateScene", sceneId=mine, percentage=40)
            await until_it_is(stream, percentage=40.0)
            await jobs.change(app, "updateScene", sceneId=mine, prompt="Mine too")
            await until_it_is(stream, prompt="Mine too", percentage=40.0)
            await jobs.change(
                app, "updateScene", sceneId=mine, status="COMPLETED", outputUrl="https://example.com/clip.mp4"
            )
            await until_it_is(stream, status="COMPLETED", percentage=100.0, output={"contentType": "video/mp4"})
            await jobs.change(app, "updateScene", sceneId=other, prompt="Other too")
            assert await silence(stream)
        plain: Json = {
            "id": mine,
            "status": "PENDING",
            "percentage": None,
            "prompt": "Mine",
            "deletedAt": None,
            "attempts": 0,
            "output": None,
        }
        assert first == plain
        assert started[-1] == plain | {"status": "PROCESSING", "attempts": 1}

    async def test_a_deleted_scene_is_told_to_be_deleted(self, app: App) -> None:
        """It can still be restored, so the stream does not end."""
        made = await jobs.make(app, jobs.scene(), jobs.scene(), provider="external")
        async with app.subscribe(SCENE, id=made.scenes[0]) as stream:
            await value(stream)
            await jobs.change(app, "deleteScene", sceneId=made.scenes[0])
            async with asyncio.timeout(TIMEOUT_SECONDS):
                assert (await value(stream))["deletedAt"] is not None

    async def test_many_changes_are_told_as_few(self, app: App) -> None:
        """Nobody's screen is drawn more often than ten times a second; the last is told."""
        made = await jobs.make(app, provider="external")
        async with app.subscribe(SCENE, id=made.scenes[0]) as stream:
            await value(stream)
            begun = time.monotonic()
            for number in range(60):
                await jobs.change(app, "updateScene", sceneId=made.scenes[0], prompt=f"Prompt {number}")
            told = await until_it_is(stream, prompt="Prompt 59")
            seconds = time.monotonic() - begun
        assert 1 <= len(told) <= seconds * 10 + 2

    @pytest.mark.parametrize("scene_id", ["scene_01h455vb4pex5vsknk084sn02q", "job", ""])
    async def test_a_scene_that_is_not_there_is_refused(self, app: App, scene_id: str) -> None:
        """With the name of the argument."""
        assert await code_of(app, SCENE, id=scene_id) == ("NOT_FOUND", ["sceneId"])


class TestJobsUpdated:
    """Every job of the caller, live."""

    async def test_the_current_jobs_come_first_and_then_what_changes(self, app: App) -> None:
        """A new job appears; a change is told with the newest state."""
        ids = [(await jobs.make(app, title=f"Job {number}", provider="external")).id for number in range(3)]
        async with app.subscribe(JOBS) as stream:
            current = [await value(stream) for _ in ids]
            await jobs.retitle(app, ids[0], "Renamed")
            renamed = (await until_it_is(stream, title="Renamed"))[-1]
            new = await jobs.make(app, title="New", provider="external")
            appeared = (await until_it_is(stream, id=new.id))[-1]
        assert {each["id"]: each["title"] for each in current} == dict(
            zip(ids, ("Job 0", "Job 1", "Job 2"), strict=True)
        )
        assert renamed == {"id": ids[0], "title": "Renamed", "status": "PENDING", "version": 2}
        assert appeared == {"id": new.id, "title": "New", "status": "PENDING", "version": 1}

    async def test_more_jobs_than_a_page_holds_come_all(self, app: App) -> None:
        """Each once."""
        ids = {(await jobs.make(app, title=f"Job {number}", provider="external")).id for number in range(105)}
        async with app.subscribe(JOBS) as stream:
            current = [(await value(stream))["id"] for _ in ids]
        assert len(current) == len(set(current))
        assert set(current) == ids

    async def test_a_filter_keeps_the_others_out(self, app: App) -> None:
        """Now and later."""
        red = await jobs.make(app, title="Red", provider="external")
        blue = await jobs.make(app, title="Blue", provider="external")
        async with app.subscribe(JOBS, filter={"search": "red"}) as stream:
            first = await value(stream)
            await jobs.retitle(app, blue.id, "Bluer")
            await jobs.make(app, title="Green", provider="external")
            await jobs.retitle(app, red.id, "Redder")
            then = (await until_it_is(stream, title="Redder"))[-1]
            assert await silence(stream)
        assert (first["title"], then["title"]) == ("Red", "Redder")

    async def test_a_job_that_leaves_the_filter_is_told_once_more(self, app: App) -> None:
        """So that a client can take it off its list; then no more, until it fits again."""
        made = await jobs.make(app, title="Red", provider="external")
        async with app.subscribe(JOBS, filter={"search": "red"}) as stream:
            await value(stream)
            await jobs.retitle(app, made.id, "Blue")
            left = await until_it_is(stream, title="Blue")
            await jobs.retitle(app, made.id, "Bluer")
            assert await silence(stream)
            await jobs.retitle(app, made.id, "Red again")
            back = await until_it_is(stream, title="Red again")
        assert [each["version"] for each in left + back] == [2, 4]

    async def test_a_job_that_comes_to_fit_appears(self, app: App) -> None:
        """By its status, for instance."""
        made = await jobs.make(app, provider="external")
        async with app.subscribe(JOBS, filter={"status": ["PROCESSING"]}) as stream:
            await jobs.change(app, "startJob", jobId=made.id)
            appeared = await until_it_is(stream, id=made.id, status="PROCESSING")
            await jobs.change(app, "cancelJob", jobId=made.id)
            left = await until_it_is(stream, id=made.id, status="CANCELED")
        assert [each["status"] for each in appeared + left] == ["PROCESSING", "CANCELED"]

    async def test_the_last_state_comes_within_a_second(self, app: App) -> None:
        """Of every job, when many change at once; skipped states are not made up for."""
        made = [(await jobs.make(app, title=f"Job {number}", provider="external")).id for number in range(5)]
        async with app.subscribe(JOBS) as stream:
            for _ in made:
                await value(stream)
            begun = time.monotonic()
            for number in range(2, 22):
                for job_id in made:
                    await app.container.coordinator.commands().jobs.update(LOCAL, job_id, {"title": f"Title {number}"})
            latest: dict[str, int] = {}
            told = 0
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while latest != dict.fromkeys(made, 21):
                    job = await value(stream)
                    latest[job["id"]] = job["version"]
                    told += 1
        intervals = (time.monotonic() - begun) / JOBS_INTERVAL_SECONDS
        assert told <= len(made) * (intervals + 2)
