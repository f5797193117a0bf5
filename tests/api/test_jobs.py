"""Updating, starting and cancelling a job, and the refusals that its mutations share."""

import json

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_JOB, a_job, a_job_of, accepted
from tests.support.job_status import ENDED, is_utc_instant, job_status
from tests.support.queries import EVERYTHING, changes, invalid, log, missing, refused, stale, state
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestUpdate:
    """updateJob."""

    async def test_update_of_title_and_metadata_of_a_job(self, shared: App) -> None:
        """One event that names both; metadata is replaced as a whole."""
        made = await a_job(shared, "A kite", metadata={"a": 1, "b": 2})
        payload = await accepted(
            shared, "updateJob", "job { title metadata version }", jobId=made.id, title="Renamed", metadata={"b": 3}
        )
        assert payload["job"] == {"title": "Renamed", "metadata": {"b": 3}, "version": 2}
        assert await changes(shared, made.id, 1) == [("JOB_UPDATED", ["title", "metadata"])]

    async def test_update_of_a_job_keeps_omitted_fields(self, shared: App) -> None:
        """The event does not name them."""
        made = await a_job(shared, metadata={"a": 1})
        payload = await accepted(shared, "updateJob", "job { title metadata }", jobId=made.id, title="Renamed")
        assert payload["job"] == {"title": "Renamed", "metadata": {"a": 1}}
        assert await changes(shared, made.id, 1) == [("JOB_UPDATED", ["title"])]

    @pytest.mark.parametrize("fields", [{}, {"title": "The same"}, {"metadata": {"a": 1}}])
    async def test_repeated_update_of_a_job_is_a_no_op(self, shared: App, fields: Json) -> None:
        """Nothing is written."""
        made = await a_job(shared, title="The same", metadata={"a": 1})
        payload = await accepted(shared, "updateJob", "job { version }", jobId=made.id, **fields)
        assert payload["job"] == {"version": 1}
        assert await log(shared, made.id, after=1) == []

    async def test_boolean_that_replaces_a_number_in_metadata_of_a_job_is_a_change(self, shared: App) -> None:
        """Also within objects and lists; Python takes true for 1 and false for 0."""
        made = await a_job(shared, metadata={"a": {"b": [0, 1]}})
        metadata = {"a": {"b": [False, 1]}}
        await accepted(shared, "updateJob", jobId=made.id, metadata=metadata)
        stored = (await jobs.job(shared, made.id, "metadata"))["metadata"]
        assert json.dumps(stored) == json.dumps(metadata)
        assert await changes(shared, made.id, 1) == [("JOB_UPDATED", ["metadata"])]

    async def test_update_of_a_job_is_accepted_in_every_status(self, shared: App) -> None:
        """The status stays."""
        for at in (["PENDING"], ["PROCESSING"], ["COMPLETED"], ["FAILED"], ["CANCELED"]):
            made = await a_job_of(shared, *at)
            before = await job_status(shared, made.id)
            payload = await accepted(shared, "updateJob", "job { title status }", jobId=made.id, title="Renamed")
            assert payload["job"] == {"title": "Renamed", "status": before}

    @pytest.mark.parametrize("field", ["title", "metadata"])
    async def test_update_of_a_job_with_null_is_refused(self, shared: App, field: str) -> None:
        """For the title and for the metadata."""
        made = await a_job(shared)
        assert await refused(shared, made.id, "updateJob", jobId=made.id, **{field: None}) == invalid(field)


class TestStart:
    """startJob."""

    async def test_start_of_a_pending_job(self, shared: App) -> None:
        """Its scenes wait for a worker."""
        made = await a_job(shared, "One", "Two")
        payload = await accepted(
            shared, "startJob", "job { status startedAt finishedAt progress { pending currentStage } }", jobId=made.id
        )
        job = payload["job"]
        assert is_utc_instant(job.pop("startedAt"))
        assert job == {
            "status": "PROCESSING",
            "finishedAt": None,
            "progress": {"pending": 2, "currentStage": "QUEUED"},
        }
        assert await changes(shared, made.id, 1) == [("JOB_STARTED", ["status", "startedAt"])]

    async def test_second_start_of_a_job_is_a_no_op(self, shared: App) -> None:
        """No event; `startedAt` stays."""
        made = await a_job(shared, "One", start=True)
        before = await jobs.job(shared, made.id, EVERYTHING)
        await accepted(shared, "startJob", jobId=made.id)
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    async def test_start_of_a_job_without_scenes_is_refused(self, shared: App) -> None:
        """There is no work to do."""
        made = await a_job(shared)
        error = await refused(shared, made.id, "startJob", jobId=made.id)
        assert error == state("INVALID_TRANSITION", "jobId")

    @pytest.mark.parametrize("ended", ENDED)
    async def test_start_of_a_settled_job_is_refused(self, shared: App, ended: str) -> None:
        """Its scenes can be regenerated instead."""
        made = await a_job_of(shared, ended)
        assert await job_status(shared, made.id) == ended
        error = await refused(shared, made.id, "startJob", jobId=made.id)
        assert error == state("INVALID_TRANSITION", "jobId")

    async def test_start_of_a_job_with_only_canceled_scenes_settles_it(self, shared: App) -> None:
        """It is started and settled as CANCELED at once."""
        made = await a_job(shared, "One")
        await accepted(shared, "cancelScene", sceneId=made.scenes[0])
        assert await job_status(shared, made.id) == "PENDING"
        payload = await accepted(shared, "startJob", "job { status }", jobId=made.id)
        assert payload["job"] == {"status": "CANCELED"}
        assert await log(shared, made.id, after=2) == [("JOB_STARTED", None), ("JOB_SETTLED", None)]


class TestCancel:
    """cancelJob."""

    async def test_cancel_of_a_job_before_its_start(self, shared: App) -> None:
        """`startedAt` stays null; each scene is canceled with its own event."""
        made = await a_job(shared, "One", "Two")
        payload = await accepted(
            shared, "cancelJob", "job { status startedAt finishedAt scenes { nodes { status } } }", jobId=made.id
        )
        job = payload["job"]
        assert is_utc_instant(job.pop("finishedAt"))
        assert job == {
            "status": "CANCELED",
            "startedAt": None,
            "scenes": {"nodes": [{"status": "CANCELED"}, {"status": "CANCELED"}]},
        }
        assert await log(shared, made.id, after=1) == [
            ("JOB_CANCELED", None),
            ("SCENE_CANCELED", made.scenes[0]),
            ("SCENE_CANCELED", made.scenes[1]),
            ("JOB_SETTLED", None),
        ]

    async def test_cancel_of_a_job_keeps_its_finished_scenes(self, shared: App) -> None:
        """Only open scenes are canceled."""
        made = await a_job_of(shared, "COMPLETED", "PROCESSING", "PENDING")
        payload = await accepted(shared, "cancelJob", "job { status scenes { nodes { status } } }", jobId=made.id)
        assert payload["job"] == {
            "status": "CANCELED",
            "scenes": {"nodes": [{"status": "COMPLETED"}, {"status": "CANCELED"}, {"status": "CANCELED"}]},
        }

    async def test_cancel_of_a_job_with_a_failed_scene_makes_it_failed(self, shared: App) -> None:
        """The status is derived from the scenes, also after a cancel."""
        made = await a_job_of(shared, "FAILED", "PENDING")
        payload = await accepted(shared, "cancelJob", "job { status }", jobId=made.id)
        assert payload["job"] == {"status": "FAILED"}

    async def test_cancel_of_a_job_without_scenes(self, shared: App) -> None:
        """It is accepted."""
        made = await a_job(shared)
        payload = await accepted(shared, "cancelJob", "job { status }", jobId=made.id)
        assert payload["job"] == {"status": "CANCELED"}

    async def test_second_cancel_of_a_job_is_a_no_op(self, shared: App) -> None:
        """No event."""
        made = await a_job(shared, "One")
        await accepted(shared, "cancelJob", jobId=made.id)
        before = await jobs.job(shared, made.id, EVERYTHING)
        await accepted(shared, "cancelJob", jobId=made.id)
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    @pytest.mark.parametrize("ended", ["COMPLETED", "FAILED"])
    async def test_cancel_of_a_settled_job_is_refused(self, shared: App, ended: str) -> None:
        """No scene is open."""
        made = await a_job_of(shared, ended)
        error = await refused(shared, made.id, "cancelJob", jobId=made.id)
        assert error == state("INVALID_TRANSITION", "jobId")


class TestWrongJob:
    """Refusals of every mutation of a job."""

    @pytest.mark.parametrize("name", ["updateJob", "startJob", "cancelJob", "addScene"])
    async def test_mutation_of_a_missing_job_is_refused(self, shared: App, name: str) -> None:
        """The error has the id."""
        more: Json = {"addScene": {"scene": {"prompt": "A kite"}}, "updateJob": {"title": "New"}}.get(name, {})
        assert await refused(shared, NO_JOB, name, jobId=NO_JOB, **more) == missing("jobId", NO_JOB)

    @pytest.mark.parametrize("name", ["updateJob", "startJob", "cancelJob", "addScene"])
    async def test_mutation_of_a_job_with_a_stale_expected_version_is_refused(self, shared: App, name: str) -> None:
        """The error has the current version, which is then accepted."""
        more: Json = {"addScene": {"scene": {"prompt": "A kite"}}, "updateJob": {"title": "New"}}.get(name, {})
        made = await a_job(shared, "One")
        await jobs.retitle(shared, made.id, "Changed meanwhile")
        for version in (1, 3):
            assert await refused(shared, made.id, name, jobId=made.id, expectedVersion=version, **more) == stale(2)
        await accepted(shared, name, jobId=made.id, expectedVersion=2, **more)
        assert (await jobs.job(shared, made.id, "version"))["version"] > 2
