"""The progress of a job at every stage, over GraphQL and REST."""

from datetime import datetime
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import a_job, a_job_of, accepted, report
from tests.support.queries import PROGRESS
from tests.support.server_app import App, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

STATUSES = ("pending", "processing", "completed", "failed", "canceled")


def progress(percentage: float, stage: str, label: str, **counts: int) -> Json:
    """Return an expected progress without its version; omitted statuses count 0 scenes."""
    counted: Json = dict.fromkeys(STATUSES, 0) | counts
    counted["total"] = sum(counts.values())
    return counted | {"percentage": percentage, "currentStage": stage, "stageLabel": label}


async def check(app: App, job_id: str, expected: Json) -> None:
    """Check that GraphQL and REST return this progress at the version of the job."""
    job = await jobs.job(app, job_id, f"version updatedAt progress {{ jobId updatedAt {PROGRESS} }}")
    clock = {"version": job["version"], "updatedAt": job["updatedAt"]}
    assert job["progress"] == expected | clock | {"jobId": job_id}
    rest = (await app.http.get(f"/api/v3/jobs/{job_id}/scenes")).json()["progress"]
    assert rest == {
        "total": expected["total"],
        "percentage": expected["percentage"],
        "current_stage": expected["currentStage"].lower(),
    } | {status: expected[status] for status in STATUSES}


class TestProgressStages:
    """From the first stage to the last."""

    async def test_progress_stage_waiting(self, shared: App) -> None:
        """The job has not started."""
        made = await a_job(shared, "One", "Two")
        await check(shared, made.id, progress(0.0, "WAITING", "Waiting to be started", pending=2))

    async def test_progress_stage_waiting_without_scenes(self, shared: App) -> None:
        """An empty job is at 0 %."""
        made = await a_job(shared)
        await check(shared, made.id, progress(0.0, "WAITING", "Waiting to be started"))

    @pytest.mark.parametrize(("number", "label"), [(1, "1 scene in the queue"), (2, "2 scenes in the queue")])
    async def test_progress_stage_queued(self, shared: App, number: int, label: str) -> None:
        """Started, and no scene is taken up yet."""
        made = await a_job(shared, *["A kite"] * number, start=True)
        await check(shared, made.id, progress(0.0, "QUEUED", label, pending=number))

    async def test_progress_stage_generating(self, shared: App) -> None:
        """The fraction of a running or failed scene counts."""
        made = await a_job_of(shared, "COMPLETED", "PROCESSING", "PROCESSING", "PENDING")
        counts = {"completed": 1, "processing": 2, "pending": 1}
        await check(shared, made.id, progress(25.0, "GENERATING", "Generating scene 2 of 4", **counts))
        await accepted(shared, "updateScene", sceneId=made.scenes[1], percentage=50)
        await check(shared, made.id, progress(37.5, "GENERATING", "Generating scene 2 of 4", **counts))
        await report(shared, made.scenes[1], "FAILED")
        counts |= {"processing": 1, "failed": 1}
        await check(shared, made.id, progress(37.5, "GENERATING", "Generating scene 3 of 4", **counts))

    async def test_progress_stage_retrying(self, tmp_path: Path) -> None:
        """Every open scene waits for its next attempt; after the last is canceled the stage is STOPPED."""
        async with running(tmp_path, retry_first_seconds=30) as app:
            made = await jobs.make(app, *[jobs.scene(failTakes=1, steps=1)] * 2, start=True)
            document = "subscription($id: ID!) { jobEvents(jobId: $id, after: 0) { ... on JobEvent { type } } }"
            async with app.subscribe(document, id=made.id) as stream:
                for _ in made.scenes:
                    while (await stream.next())["jobEvents"].get("type") != "SCENE_RETRYING":
                        pass
            await check(app, made.id, progress(0.0, "RETRYING", "Waiting to retry 2 scenes", pending=2))
            await accepted(app, "cancelScene", sceneId=made.scenes[0])
            await check(app, made.id, progress(0.0, "RETRYING", "Waiting to retry 1 scene", pending=1, canceled=1))
            payload = await accepted(app, "cancelJob", "job { progress { currentStage } }", jobId=made.id)
            assert payload == {"job": {"progress": {"currentStage": "STOPPED"}}}

    @pytest.mark.parametrize(("number", "label"), [(1, "1 scene ready"), (3, "3 scenes ready")])
    async def test_progress_stage_done(self, shared: App, number: int, label: str) -> None:
        """At 100 %."""
        made = await a_job_of(shared, *["COMPLETED"] * number)
        await check(shared, made.id, progress(100.0, "DONE", label, completed=number))

    async def test_progress_stage_stopped_by_a_failure(self, shared: App) -> None:
        """No scene is open, and one failed."""
        made = await a_job_of(shared, "COMPLETED", "FAILED", "CANCELED")
        counts = {"completed": 1, "failed": 1, "canceled": 1}
        await check(shared, made.id, progress(33.33, "STOPPED", "Stopped: 1 of 3 scenes failed", **counts))

    async def test_progress_stage_stopped_by_a_cancel(self, shared: App) -> None:
        """No scene is open, and none failed."""
        made = await a_job_of(shared, "COMPLETED", "CANCELED")
        counts = {"completed": 1, "canceled": 1}
        await check(shared, made.id, progress(50.0, "STOPPED", "Canceled with 1 of 2 scenes ready", **counts))


class TestPercentage:
    """When the percentage may change."""

    async def test_percentage_is_below_100_until_all_scenes_are_completed(self, shared: App) -> None:
        """Whatever a worker reports."""
        made = await a_job_of(shared, "COMPLETED", "PROCESSING")
        await accepted(shared, "updateScene", sceneId=made.scenes[1], percentage=100)
        await check(
            shared, made.id, progress(99.99, "GENERATING", "Generating scene 2 of 2", completed=1, processing=1)
        )

    async def test_percentage_falls_only_by_a_regenerate_an_addition_or_a_deletion(self, shared: App) -> None:
        """Through all changes of a job."""
        made = await a_job(shared, "One", "Two", start=True)
        one, two = made.scenes
        steps: list[tuple[str, Json, float]] = [
            ("updateScene", {"sceneId": one, "status": "PROCESSING", "percentage": 60}, 30.0),
            ("updateScene", {"sceneId": one, "percentage": 20}, 30.0),
            ("cancelScene", {"sceneId": one}, 30.0),
            ("updateScene", {"sceneId": two, "status": "COMPLETED"}, 80.0),
            ("regenerateScene", {"sceneId": one}, 50.0),
            ("updateScene", {"sceneId": one, "status": "PROCESSING", "percentage": 10}, 55.0),
            ("updateScene", {"sceneId": one, "status": "FAILED"}, 55.0),
            ("addScene", {"jobId": made.id, "scene": {"prompt": "Three"}}, 36.67),
            ("cancelJob", {"jobId": made.id}, 36.67),
            ("deleteScene", {"sceneId": two}, 5.0),
        ]
        percentages: list[float] = []
        for name, fields, _ in steps:
            payload = await accepted(shared, name, "job { progress { percentage } }", **fields)
            percentages.append(payload["job"]["progress"]["percentage"])
        assert percentages == [percentage for _, _, percentage in steps]


async def test_eta_is_null_before_the_first_finished_take(tmp_path: Path) -> None:
    """Then it is a number of seconds, and null again at the end."""
    async with running(tmp_path) as app:
        made = await a_job(app, "One", "Two", start=True)

        async def eta() -> float | None:
            return (await jobs.job(app, made.id, "progress { etaSeconds }"))["progress"]["etaSeconds"]

        assert await eta() is None
        await report(app, made.scenes[0], "PROCESSING", "COMPLETED")
        estimate = await eta()
        assert estimate is not None
        assert 0 <= estimate < 10
        await report(app, made.scenes[1], "COMPLETED")
        assert await eta() is None


async def test_eta_counts_the_takes_ahead_in_the_queue(tmp_path: Path) -> None:
    """Those of other jobs included; null before the start."""
    async with running(tmp_path, render_concurrency=1) as app:
        first = await jobs.make(app, jobs.scene(steps=2, stepSeconds=0.2), start=True)
        assert await jobs.settled(app, first.id) == "COMPLETED"
        stall = jobs.scene(outcome="stall", steps=2, stepSeconds=0.01)
        before = await jobs.make(app, stall, *(jobs.scene() for _ in range(3)), start=True)

        async def runs() -> bool:
            job = await jobs.job(app, before.id, "scenes { nodes { percentage } }")
            return job["scenes"]["nodes"][0]["percentage"] == 50

        # The first of the two has had its turn before the other one joins the line.
        await eventually(runs)
        after, unstarted = await jobs.make(app, jobs.scene(), start=True), await jobs.make(app)

        async def eta(job_id: str) -> float | None:
            return (await jobs.job(app, job_id, "progress { etaSeconds }"))["progress"]["etaSeconds"]

        earlier, later = await eta(before.id), await eta(after.id)
        assert earlier is not None
        assert later is not None
        # The jobs take turns: behind the second half of the running take, the second job ends with the second take in
        # the queue, and the first job with the fourth. All have a typical length, of 0.4 s at least.
        assert later >= 1
        assert earlier / later == pytest.approx(4.5 / 2.5, rel=0.1)
        assert await eta(unstarted.id) is None


async def test_queue_position_counts_the_takes_ahead(tmp_path: Path) -> None:
    """Over all jobs, whose takes alternate; null for a scene that does not wait."""
    async with running(tmp_path, render_concurrency=1) as app:
        stall = jobs.scene(outcome="stall", steps=1)
        first = await jobs.make(app, stall, jobs.scene("Two"), jobs.scene("Three"), start=True)
        document = "subscription($id: ID!) { jobEvents(jobId: $id, after: 0) { ... on JobEvent { type } } }"
        async with app.subscribe(document, id=first.id) as stream:
            while (await stream.next())["jobEvents"].get("type") != "SCENE_STARTED":
                pass
        # The first job has had its turn and waits for the next one before the second joins the line.
        second = await jobs.make(app, jobs.scene("Four"), start=True)
        waiting = await jobs.make(app, jobs.scene("Five"))
        places = [
            scene["queuePosition"]
            for made in (first, second, waiting)
            for scene in (await jobs.job(app, made.id, "scenes { nodes { queuePosition } }"))["scenes"]["nodes"]
        ]
        assert places == [None, 0, 2, 1, None]


async def test_instants_of_a_job_are_utc(shared: App) -> None:
    """RFC 3339 with a Z, to the microsecond."""
    made = await a_job(shared, "One")
    created = (await jobs.job(shared, made.id, "createdAt"))["createdAt"]
    assert created.endswith("Z")
    assert datetime.fromisoformat(created).tzinfo is not None
