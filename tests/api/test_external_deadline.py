"""Takes on workers outside the server that no worker reports on: they fail at the deadline, and are retried."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from coordinator.renders.silent_takes import SilentTakes
from models.db import clock
from models.db.tables import JOB, SCENE
from tests.support import jobs
from tests.support.client import Json
from tests.support.clip_host import Gate, hosting
from tests.support.factories import CLIP_URL, a_job, accepted, report
from tests.support.queries import read_scene
from tests.support.rest_calls import data, place
from tests.support.server_app import App, running
from tests.support.waiting import eventually
from tests.support.webhook_receiver import status

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

DAY = timedelta(days=1)
SELECTION = """status attempts providerId nextAttemptAt percentage failure { code message retryable }
    takes { number reason status failure { code } startedAt finishedAt }"""


async def pass_time(app: App, *scene_ids: str, hours: float) -> None:
    """Move the last reports on scenes back, and fail what is due then, as each process does every minute."""
    async with app.container.store.write() as connection:
        for scene_id in scene_ids:
            found = await connection.execute(sa.select(SCENE.c.reported_at).where(SCENE.c.id == scene_id))
            before = found.scalar_one()
            values = {"reported_at": before and before - timedelta(hours=hours)}
            await connection.execute(sa.update(SCENE).where(SCENE.c.id == scene_id).values(values))
    await SilentTakes(app.container.store, DAY).fail()


async def types(app: App, made: jobs.Made, after: int) -> list[str]:
    """Return the types of the events after a version."""
    return [event["type"] for event in await jobs.log(app, made.id, "type", after)]


async def version(app: App, made: jobs.Made) -> int:
    return (await jobs.job(app, made.id, "version"))["version"]


class TestSilence:
    """Takes whose time is over."""

    async def test_take_that_no_worker_takes_up_times_out_and_is_offered_again(self, shared: App) -> None:
        """It counts as an attempt, and the time of the new take begins at once."""
        made = await a_job(shared, "A kite", start=True)
        before = await version(shared, made)
        await pass_time(shared, made.scenes[0], hours=23)
        assert await version(shared, made) == before
        await pass_time(shared, made.scenes[0], hours=2)
        scene = await read_scene(shared, made.scenes[0], SELECTION)
        newest, timed_out = scene["takes"]
        assert (scene["status"], scene["attempts"]) == ("PENDING", 1)
        assert scene["failure"] == {
            "code": "TIMEOUT",
            "message": "No report within 86400 seconds.",
            "retryable": True,
        }
        assert (timed_out["status"], timed_out["failure"], timed_out["startedAt"]) == (
            "FAILED",
            {"code": "TIMEOUT"},
            None,
        )
        assert timed_out["finishedAt"] is not None
        assert (newest["number"], newest["reason"], newest["status"]) == (2, "AUTOMATIC_RETRY", "PENDING")
        assert await types(shared, made, before) == ["SCENE_RETRYING"]
        await pass_time(shared, made.scenes[0], hours=23)
        assert await version(shared, made) == before + 1
        await report(shared, made.scenes[0], "PROCESSING", "COMPLETED", outputUrl=CLIP_URL, takeNumber=2)

    async def test_take_of_a_silent_worker_times_out_and_its_late_report_is_stale(self, shared: App) -> None:
        """Another worker may take up the next one."""
        made = await a_job(shared, "A kite", start=True)
        await report(shared, made.scenes[0], "PROCESSING", providerId="w1", percentage=40)
        await pass_time(shared, made.scenes[0], hours=25)
        scene = await read_scene(shared, made.scenes[0], SELECTION)
        assert (scene["status"], scene["attempts"], scene["providerId"], scene["percentage"]) == (
            "PENDING",
            1,
            None,
            None,
        )
        payload = await shared.mutate(
            "updateScene", "errors { code }", sceneId=made.scenes[0], providerId="w1", status="PROCESSING"
        )
        assert payload["errors"] == [{"code": "STALE_TAKE"}]
        await report(shared, made.scenes[0], "PROCESSING", providerId="w2", takeNumber=2)
        assert (await read_scene(shared, made.scenes[0], "attempts"))["attempts"] == 2

    async def test_last_attempt_fails_the_scene_and_a_regenerate_restarts_the_deadline(self, shared: App) -> None:
        """After three silent takes; each has its time."""
        made = await a_job(shared, "A kite", start=True)
        before = await version(shared, made)
        for _ in range(3):
            await pass_time(shared, made.scenes[0], hours=25)
        scene = await read_scene(shared, made.scenes[0], SELECTION)
        assert (scene["status"], scene["attempts"], scene["failure"]["code"]) == ("FAILED", 3, "TIMEOUT")
        assert await types(shared, made, before) == ["SCENE_RETRYING", "SCENE_RETRYING", "SCENE_FAILED", "JOB_SETTLED"]
        await accepted(shared, "regenerateScene", sceneId=made.scenes[0])
        await pass_time(shared, made.scenes[0], hours=23)
        assert (await read_scene(shared, made.scenes[0], "status"))["status"] == "PENDING"
        await pass_time(shared, made.scenes[0], hours=2)
        assert len((await read_scene(shared, made.scenes[0], SELECTION))["takes"]) == 5

    async def test_silent_takes_of_a_job_fail_in_one_change_each_once(self, shared: App) -> None:
        """Although several processes look at the same time."""
        made = await a_job(shared, *(f"Scene {number}" for number in range(5)), start=True)
        before = await version(shared, made)
        store = shared.container.store
        async with store.write() as connection:
            old = await clock.current(connection) - 2 * DAY
            await connection.execute(sa.update(SCENE).where(SCENE.c.job_id == made.id).values(reported_at=old))
        failed = await asyncio.gather(*(SilentTakes(store, DAY).fail() for _ in range(4)))
        assert sum(failed) in (0, 5)
        assert await types(shared, made, before) == ["SCENE_RETRYING"] * 5
        for scene_id in made.scenes:
            assert (await read_scene(shared, scene_id, "attempts"))["attempts"] == 1

    async def test_server_fails_silent_takes_by_itself_also_after_a_restart(self, tmp_path: Path) -> None:
        """A take that became due while no process ran; the scene ends when its attempts are used up."""
        async with running(tmp_path) as app:
            made = await a_job(app, "A kite", start=True)
        async with running(tmp_path, external_deadline_seconds=0.2) as app:
            assert await jobs.settled(app, made.id) == "FAILED"
            scene = await read_scene(app, made.scenes[0], SELECTION)
        assert [take["failure"] for take in scene["takes"]] == [{"code": "TIMEOUT"}] * 3


class TestReports:
    """What a worker says, and what the owner edits."""

    @pytest.mark.parametrize(
        "fields",
        [
            {"status": "PROCESSING"},
            {"percentage": 40},
            {"percentage": 10},
            {"providerId": "w1"},
            {"outputUrl": CLIP_URL},
        ],
        ids=lambda fields: "-".join(f"{name}={value}" for name, value in fields.items()),
    )
    async def test_report_of_any_kind_extends_the_deadline(self, shared: App, fields: Json) -> None:
        """Also one that says nothing new, such as the same percentage."""
        made = await a_job(shared, "A kite", start=True)
        await report(shared, made.scenes[0], "PROCESSING", providerId="w1", percentage=40)
        for _ in range(3):
            await pass_time(shared, made.scenes[0], hours=20)
            await accepted(shared, "updateScene", sceneId=made.scenes[0], **fields)
        await pass_time(shared, made.scenes[0], hours=20)
        scene = await read_scene(shared, made.scenes[0], SELECTION)
        assert (scene["status"], len(scene["takes"])) == ("PROCESSING", 1)

    async def test_report_in_a_batch_and_in_rest_extends_the_deadline(self, shared: App) -> None:
        """Of each scene that it names."""
        made = await a_job(shared, "A kite", "A ship", start=True)
        await report(shared, made.scenes[0], "PROCESSING")
        await report(shared, made.scenes[1], "PROCESSING")
        await pass_time(shared, *made.scenes, hours=20)
        payload = await shared.mutate(
            "updateScenes",
            "results { errors { code } } errors { code }",
            jobId=made.id,
            scenes=[{"sceneId": made.scenes[0], "percentage": 3}],
        )
        assert (payload["errors"], payload["results"]) == ([], [{"errors": []}])
        await data(shared, "PUT", *place(made, 1), percentage=4)
        await pass_time(shared, *made.scenes, hours=20)
        for scene_id in made.scenes:
            assert (await read_scene(shared, scene_id, "status"))["status"] == "PROCESSING"

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize("fields", [{"title": "Kite"}, {"prompt": "A red kite"}, {"metadata": {"a": 1}}])
    async def test_edit_by_the_owner_does_not_extend_the_deadline(self, shared: App, fields: dict[str, Any]) -> None:
        """Of a waiting take, and of one that is rendered."""
        made = await a_job(shared, "A kite", "A ship", start=True)
        await report(shared, made.scenes[1], "PROCESSING")
        await pass_time(shared, *made.scenes, hours=20)
        for scene_id in made.scenes:
            await accepted(shared, "updateScene", sceneId=scene_id, takeNumber=1, **fields)
        await pass_time(shared, *made.scenes, hours=20)
        for scene_id in made.scenes:
            assert (await read_scene(shared, scene_id, SELECTION))["failure"]["code"] == "TIMEOUT"


class TestOtherTakes:
    """Takes that have no deadline here."""

    @pytest.mark.sqlite_alone
    async def test_drafts_finished_scenes_and_own_renders_have_none(self, shared: App) -> None:
        """Nothing is noted for them."""
        draft = await a_job(shared, "A kite")
        canceled = await a_job(shared, "A kite", start=True)
        await accepted(shared, "cancelJob", jobId=canceled.id)
        done = await a_job(shared, "A kite", start=True)
        await report(shared, done.scenes[0], "PROCESSING", "COMPLETED", outputUrl=CLIP_URL)
        own = await jobs.make(shared, jobs.scene(steps=2, stepSeconds=0.01), start=True)
        await jobs.settled(shared, own.id)
        scenes = [made.scenes[0] for made in (draft, canceled, done, own)]
        async with shared.container.store.read() as connection:
            noted = sa.select(SCENE.c.reported_at).where(SCENE.c.id.in_(scenes))
            assert list((await connection.execute(noted)).scalars()) == [None] * 4
        await accepted(shared, "startJob", jobId=draft.id)
        await pass_time(shared, draft.scenes[0], hours=25)
        assert (await read_scene(shared, draft.scenes[0], SELECTION))["failure"]["code"] == "TIMEOUT"

    @pytest.mark.sqlite_alone
    async def test_clip_that_is_being_adopted_is_not_given_up(self, shared: App) -> None:
        """However long it takes; the worker has nothing left to report."""
        async with hosting() as host:
            gate = host.files["/clip"] = Gate(status(404))
            made = await a_job(shared, "A kite", start=True)
            url = host.url("/clip")
            await report(shared, made.scenes[0], "PROCESSING", "COMPLETED", outputUrl=url, adoptOutput=True)
            await host.receiver.count(1)
            store = shared.container.store
            async with store.write() as connection:
                long_ago = await clock.current(connection) - 2 * DAY
                values = {"reported_at": long_ago}
                await connection.execute(sa.update(SCENE).where(SCENE.c.id == made.scenes[0]).values(values))
            await SilentTakes(store, DAY).fail()
            assert (await read_scene(shared, made.scenes[0], "status"))["status"] == "PROCESSING"
            gate.opened.set()
            await jobs.settled(shared, made.id)
        assert (await read_scene(shared, made.scenes[0], SELECTION))["failure"]["code"] == "OUTPUT_UNAVAILABLE"

    async def test_take_from_the_future_has_its_time_from_now(self, shared: App) -> None:
        """The clock of the database went back after the report."""
        made = await a_job(shared, "A kite", start=True)
        await pass_time(shared, made.scenes[0], hours=-24 * 365)
        await pass_time(shared, made.scenes[0], hours=25)
        assert (await read_scene(shared, made.scenes[0], SELECTION))["failure"]["code"] == "TIMEOUT"

    async def test_takes_of_an_older_revision_get_their_time(self, shared: App) -> None:
        """Those that wait and those that are rendered, of jobs that have started; others stay without."""
        made = await a_job(shared, "A kite", "A ship", "A boat", start=True)
        draft = await a_job(shared, "A kite")
        await report(shared, made.scenes[1], "PROCESSING")
        await report(shared, made.scenes[2], "PROCESSING", "COMPLETED")
        store = shared.container.store
        async with store.write() as connection:
            await connection.execute(sa.update(SCENE).where(SCENE.c.job_id == made.id).values(reported_at=None))
        await SilentTakes(store, DAY).note_unnoted()

        async def noted() -> list[bool]:
            columns = sa.select(SCENE.c.reported_at).join(JOB, JOB.c.id == SCENE.c.job_id)
            query = columns.where(JOB.c.id.in_([made.id, draft.id])).order_by(JOB.c.id, SCENE.c.position)
            async with store.read() as connection:
                return [instant is not None for (instant,) in await connection.execute(query)]

        assert sorted(await noted()) == [False, False, True, True]
        await pass_time(shared, *made.scenes, hours=25)
        await eventually(lambda: _both_wait(shared, made))


async def _both_wait(app: App, made: jobs.Made) -> bool:
    scenes = [await read_scene(app, scene_id, SELECTION) for scene_id in made.scenes[:2]]
    return [(scene["status"], len(scene["takes"])) for scene in scenes] == [("PENDING", 2)] * 2
