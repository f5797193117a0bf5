"""What can be done to a job, what becomes of it, and what is refused."""

from datetime import datetime

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_JOB, a_job, a_job_of, accepted, report
from tests.support.queries import EVERYTHING, changes, invalid, log, missing, refusals, refused, stale, state
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDED = ["COMPLETED", "FAILED", "CANCELED"]


async def status(app: App, job_id: str) -> str:
    """The status of a job."""
    return (await jobs.job(app, job_id, "status"))["status"]


def is_instant(text: str) -> bool:
    """Whether it is an RFC 3339 instant in UTC."""
    return text.endswith("Z") and datetime.fromisoformat(text).utcoffset() is not None


class TestCreate:
    """A storyboard becomes a job."""

    async def test_everything_given_is_there(self, shared: App) -> None:
        """One event, at version 1; nothing has started."""
        payload = await accepted(
            shared,
            "createJob",
            f"job {{ {EVERYTHING} }}",
            title="A day at the coast",
            provider="external",
            metadata={"campaign": {"id": 7}},
            scenes=[
                {
                    "prompt": "A lighthouse\nat dusk",
                    "title": "Lighthouse",
                    "durationSeconds": 12.5,
                    "metadata": {"n": 1},
                },
                {"prompt": "Ein Drachen über dem Strand 🪁"},
            ],
        )
        job: Json = payload["job"]
        scenes: list[Json] = job.pop("scenes")["nodes"]
        (event,) = job.pop("events")
        created = job.pop("createdAt")
        assert is_instant(created)
        assert job == {
            "id": job["id"],
            "title": "A day at the coast",
            "provider": "external",
            "status": "PENDING",
            "progress": {
                "total": 2,
                "pending": 2,
                "processing": 0,
                "completed": 0,
                "failed": 0,
                "canceled": 0,
                "percentage": 0.0,
                "currentStage": "WAITING",
                "stageLabel": "Waiting to be started",
                "version": 1,
            },
            "ownerId": "local",
            "metadata": {"campaign": {"id": 7}},
            "version": 1,
            "updatedAt": created,
            "startedAt": None,
            "finishedAt": None,
            "deletedAt": None,
            "purgeAfter": None,
        }
        assert event == {
            "version": 1,
            "type": "JOB_CREATED",
            "sceneId": None,
            "actorId": "local",
            "changed": ["title", "scenes"],
            "occurredAt": created,
        }
        for scene in scenes:
            (take,) = scene.pop("takes")
            assert scene.pop("currentTake") == {"id": take.pop("id")}
            assert take == {
                "number": 1,
                "reason": "INITIAL",
                "prompt": scene["prompt"],
                "status": "PENDING",
                "provider": "external",
                "providerId": None,
                "output": None,
                "poster": None,
                "failure": None,
                "isCurrent": True,
                "createdAt": created,
                "startedAt": None,
                "finishedAt": None,
            }
        blank: Json = {
            "jobId": job["id"],
            "status": "PENDING",
            "percentage": None,
            "queuePosition": None,
            "provider": "external",
            "providerId": None,
            "attempts": 0,
            "maxAttempts": 3,
            "nextAttemptAt": None,
            "output": None,
            "poster": None,
            "preview": None,
            "failure": None,
            "availableActions": ["UPDATE", "MOVE", "CANCEL", "DELETE"],
            "allowedTransitions": ["PROCESSING", "COMPLETED", "FAILED", "CANCELED"],
            "version": 1,
            "createdAt": created,
            "updatedAt": created,
            "startedAt": None,
            "finishedAt": None,
            "deletedAt": None,
            "purgeAfter": None,
        }
        first, second = scenes
        assert first == blank | {
            "id": first["id"],
            "position": 0,
            "title": "Lighthouse",
            "prompt": "A lighthouse\nat dusk",
            "durationSeconds": 12.5,
            "metadata": {"n": 1},
        }
        assert second == blank | {
            "id": second["id"],
            "position": 1,
            "title": None,
            "prompt": "Ein Drachen über dem Strand 🪁",
            "durationSeconds": 5.0,
            "metadata": {},
        }

    async def test_a_title_is_enough(self, shared: App) -> None:
        """The provider is the server's default; there are no scenes and no metadata."""
        payload = await accepted(
            shared, "createJob", "job { title provider status metadata scenes { totalCount } }", title="Only a title"
        )
        assert payload["job"] == {
            "title": "Only a title",
            "provider": "scripted",
            "status": "PENDING",
            "metadata": {},
            "scenes": {"totalCount": 0},
        }

    async def test_it_can_start_at_once(self, shared: App) -> None:
        """Created and started in one transaction: two events."""
        made = await a_job(shared, "A kite", start=True)
        job = await jobs.job(shared, made.id, "status version startedAt createdAt")
        assert job == {
            "status": "PROCESSING",
            "version": 2,
            "startedAt": job["createdAt"],
            "createdAt": job["createdAt"],
        }
        assert await log(shared, made.id) == [("JOB_CREATED", None), ("JOB_STARTED", None)]

    async def test_two_hundred_scenes_are_accepted(self, shared: App) -> None:
        """In the order given."""
        made = await a_job(shared, *(f"Scene {number}" for number in range(200)))
        scenes = (await jobs.job(shared, made.id, "scenes { nodes { position prompt } }"))["scenes"]["nodes"]
        assert scenes == [{"position": number, "prompt": f"Scene {number}"} for number in range(200)]

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"provider": "nobody"}, invalid("provider")),
            ({"provider": ""}, invalid("provider")),
            ({"start": True}, invalid("start")),
            ({"scenes": [{"prompt": "A kite"}] * 201}, invalid("scenes", code="LIMIT_EXCEEDED")),
        ],
        ids=["unknown provider", "empty provider", "start of nothing", "201 scenes"],
    )
    async def test_what_cannot_be_a_job_is_refused(self, shared: App, fields: Json, error: Json) -> None:
        """And there is no job more than before."""
        before = await shared.execute("{ jobs { totalCount } }")
        assert await refused(shared, NO_JOB, "createJob", title="A job", **fields) == error
        assert await shared.execute("{ jobs { totalCount } }") == before


class TestUpdate:
    """A job's own fields."""

    async def test_title_and_metadata(self, shared: App) -> None:
        """One event that names both; metadata is replaced as a whole."""
        made = await a_job(shared, "A kite", metadata={"a": 1, "b": 2})
        payload = await accepted(
            shared, "updateJob", "job { title metadata version }", jobId=made.id, title="Renamed", metadata={"b": 3}
        )
        assert payload["job"] == {"title": "Renamed", "metadata": {"b": 3}, "version": 2}
        assert await changes(shared, made.id, 1) == [("JOB_UPDATED", ["title", "metadata"])]

    async def test_what_is_left_out_stays(self, shared: App) -> None:
        """And is not said to have changed."""
        made = await a_job(shared, metadata={"a": 1})
        payload = await accepted(shared, "updateJob", "job { title metadata }", jobId=made.id, title="Renamed")
        assert payload["job"] == {"title": "Renamed", "metadata": {"a": 1}}
        assert await changes(shared, made.id, 1) == [("JOB_UPDATED", ["title"])]

    @pytest.mark.parametrize("fields", [{}, {"title": "The same"}, {"metadata": {"a": 1}}])
    async def test_the_same_again_is_no_change(self, shared: App, fields: Json) -> None:
        """Nothing is written."""
        made = await a_job(shared, title="The same", metadata={"a": 1})
        payload = await accepted(shared, "updateJob", "job { version }", jobId=made.id, **fields)
        assert payload["job"] == {"version": 1}
        assert await log(shared, made.id, after=1) == []

    async def test_it_can_be_done_at_any_time(self, shared: App) -> None:
        """A title is not part of the work."""
        for at in (["PENDING"], ["PROCESSING"], ["COMPLETED"], ["FAILED"], ["CANCELED"]):
            made = await a_job_of(shared, *at)
            before = await status(shared, made.id)
            payload = await accepted(shared, "updateJob", "job { title status }", jobId=made.id, title="Renamed")
            assert payload["job"] == {"title": "Renamed", "status": before}

    @pytest.mark.parametrize("field", ["title", "metadata"])
    async def test_null_is_refused(self, shared: App, field: str) -> None:
        """Neither can be null."""
        made = await a_job(shared)
        assert await refused(shared, made.id, "updateJob", jobId=made.id, **{field: None}) == invalid(field)


class TestStart:
    """The scenes of a pending job are set going."""

    async def test_a_pending_job_starts(self, shared: App) -> None:
        """Its scenes wait for a worker."""
        made = await a_job(shared, "One", "Two")
        payload = await accepted(
            shared, "startJob", "job { status startedAt finishedAt progress { pending currentStage } }", jobId=made.id
        )
        job = payload["job"]
        assert is_instant(job.pop("startedAt"))
        assert job == {
            "status": "PROCESSING",
            "finishedAt": None,
            "progress": {"pending": 2, "currentStage": "QUEUED"},
        }
        assert await changes(shared, made.id, 1) == [("JOB_STARTED", ["status", "startedAt"])]

    async def test_started_again_it_is_left_as_it_is(self, shared: App) -> None:
        """No event, the same start."""
        made = await a_job(shared, "One", start=True)
        before = await jobs.job(shared, made.id, EVERYTHING)
        await accepted(shared, "startJob", jobId=made.id)
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    async def test_a_job_without_scenes_is_refused(self, shared: App) -> None:
        """There is nothing to do."""
        made = await a_job(shared)
        error = await refused(shared, made.id, "startJob", jobId=made.id)
        assert error == state("INVALID_TRANSITION", "jobId")

    @pytest.mark.parametrize("ended", ENDED)
    async def test_a_job_that_has_ended_is_refused(self, shared: App, ended: str) -> None:
        """It is a scene that is regenerated, not a job."""
        made = await a_job_of(shared, ended)
        assert await status(shared, made.id) == ended
        error = await refused(shared, made.id, "startJob", jobId=made.id)
        assert error == state("INVALID_TRANSITION", "jobId")

    async def test_only_canceled_scenes_make_a_canceled_job(self, shared: App) -> None:
        """Started and settled at once."""
        made = await a_job(shared, "One")
        await accepted(shared, "cancelScene", sceneId=made.scenes[0])
        assert await status(shared, made.id) == "PENDING"
        payload = await accepted(shared, "startJob", "job { status }", jobId=made.id)
        assert payload["job"] == {"status": "CANCELED"}
        assert await log(shared, made.id, after=2) == [("JOB_STARTED", None), ("JOB_SETTLED", None)]


class TestCancel:
    """A job is stopped."""

    async def test_before_its_start(self, shared: App) -> None:
        """It never started; every scene is canceled, each with an event."""
        made = await a_job(shared, "One", "Two")
        payload = await accepted(
            shared, "cancelJob", "job { status startedAt finishedAt scenes { nodes { status } } }", jobId=made.id
        )
        job = payload["job"]
        assert is_instant(job.pop("finishedAt"))
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

    async def test_what_is_finished_stays(self, shared: App) -> None:
        """Only what is open is canceled."""
        made = await a_job_of(shared, "COMPLETED", "PROCESSING", "PENDING")
        payload = await accepted(shared, "cancelJob", "job { status scenes { nodes { status } } }", jobId=made.id)
        assert payload["job"] == {
            "status": "CANCELED",
            "scenes": {"nodes": [{"status": "COMPLETED"}, {"status": "CANCELED"}, {"status": "CANCELED"}]},
        }

    async def test_a_failed_scene_makes_it_failed(self, shared: App) -> None:
        """The status is derived from the scenes, also after a cancel."""
        made = await a_job_of(shared, "FAILED", "PENDING")
        payload = await accepted(shared, "cancelJob", "job { status }", jobId=made.id)
        assert payload["job"] == {"status": "FAILED"}

    async def test_an_empty_job(self, shared: App) -> None:
        """Can be canceled too."""
        made = await a_job(shared)
        payload = await accepted(shared, "cancelJob", "job { status }", jobId=made.id)
        assert payload["job"] == {"status": "CANCELED"}

    async def test_canceled_again_it_is_left_as_it_is(self, shared: App) -> None:
        """No event."""
        made = await a_job(shared, "One")
        await accepted(shared, "cancelJob", jobId=made.id)
        before = await jobs.job(shared, made.id, EVERYTHING)
        await accepted(shared, "cancelJob", jobId=made.id)
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    @pytest.mark.parametrize("ended", ["COMPLETED", "FAILED"])
    async def test_a_job_that_has_ended_is_refused(self, shared: App, ended: str) -> None:
        """There is nothing left to stop."""
        made = await a_job_of(shared, ended)
        error = await refused(shared, made.id, "cancelJob", jobId=made.id)
        assert error == state("INVALID_TRANSITION", "jobId")


@pytest.mark.both_databases
class TestStatus:
    """The status of a job is derived from its scenes."""

    @pytest.mark.parametrize(
        ("scenes", "derived"),
        [
            (["COMPLETED", "COMPLETED"], "COMPLETED"),
            (["COMPLETED", "FAILED"], "FAILED"),
            (["CANCELED", "FAILED"], "FAILED"),
            (["COMPLETED", "CANCELED"], "CANCELED"),
            (["CANCELED", "CANCELED"], "CANCELED"),
            (["COMPLETED", "PENDING"], "PROCESSING"),
            (["FAILED", "PROCESSING"], "PROCESSING"),
            (["PENDING", "PENDING"], "PENDING"),
        ],
        ids=" ".join,
    )
    async def test_it_follows_the_scenes(self, shared: App, scenes: list[str], derived: str) -> None:
        """And says when it has come to rest."""
        made = await a_job_of(shared, *scenes)
        job = await jobs.job(shared, made.id, "status finishedAt")
        settled = derived in ENDED
        assert job["status"] == derived
        assert (job["finishedAt"] is not None) == settled
        kinds = [kind for kind, _ in await log(shared, made.id)]
        assert kinds.count("JOB_SETTLED") == settled
        assert (kinds[-1] == "JOB_SETTLED") == settled

    async def test_a_report_starts_a_job_that_was_not_started(self, shared: App) -> None:
        """Somebody works on it: it counts as started, before the scene does."""
        made = await a_job(shared, "One", "Two")
        await report(shared, made.scenes[1], "PROCESSING")
        job = await jobs.job(shared, made.id, "status startedAt version")
        assert is_instant(job.pop("startedAt"))
        assert job == {"status": "PROCESSING", "version": 3}
        assert await log(shared, made.id, after=1) == [("JOB_STARTED", None), ("SCENE_STARTED", made.scenes[1])]

    async def test_an_edit_does_not_start_it(self, shared: App) -> None:
        """Only a status does."""
        made = await a_job(shared, "One")
        await accepted(shared, "updateScene", sceneId=made.scenes[0], prompt="Two", providerId="x", status="PENDING")
        assert await status(shared, made.id) == "PENDING"

    @pytest.mark.parametrize("ended", ENDED)
    async def test_a_regenerate_sets_a_settled_job_going_again(self, shared: App, ended: str) -> None:
        """It is no longer finished, and it settles anew."""
        made = await a_job_of(shared, ended)
        started = (await jobs.job(shared, made.id, "startedAt"))["startedAt"]
        await accepted(shared, "regenerateScene", sceneId=made.scenes[0])
        assert await jobs.job(shared, made.id, "status startedAt finishedAt") == {
            "status": "PROCESSING",
            "startedAt": started,
            "finishedAt": None,
        }
        await report(shared, made.scenes[0], "COMPLETED")
        assert await status(shared, made.id) == "COMPLETED"
        kinds = [kind for kind, _ in await log(shared, made.id)]
        assert kinds[-3:] == ["SCENE_REGENERATED", "SCENE_COMPLETED", "JOB_SETTLED"]

    async def test_without_its_failed_scene_it_is_completed(self, shared: App) -> None:
        """Deleting what stood in the way settles it anew."""
        made = await a_job_of(shared, "COMPLETED", "FAILED")
        assert await status(shared, made.id) == "FAILED"
        payload = await accepted(
            shared, "deleteScene", "job { status progress { total percentage } }", sceneId=made.scenes[1]
        )
        assert payload["job"] == {"status": "COMPLETED", "progress": {"total": 1, "percentage": 100.0}}
        assert (await log(shared, made.id))[-2:] == [("SCENE_DELETED", made.scenes[1]), ("JOB_SETTLED", None)]

    async def test_without_any_scene_it_is_not_completed(self, shared: App) -> None:
        """A completed job has at least one completed scene."""
        made = await a_job_of(shared, "COMPLETED")
        payload = await accepted(
            shared, "deleteScene", "job { status progress { total percentage } }", sceneId=made.scenes[0]
        )
        assert payload["job"] == {"status": "CANCELED", "progress": {"total": 0, "percentage": 0.0}}

    async def test_a_new_scene_sets_a_settled_job_going_again(self, shared: App) -> None:
        """Also one that was canceled before it ever started: now it has."""
        for made in (await a_job_of(shared, "COMPLETED"), await a_job(shared, "One")):
            if (await status(shared, made.id)) == "PENDING":
                await accepted(shared, "cancelJob", jobId=made.id)
            await accepted(shared, "addScene", jobId=made.id, scene={"prompt": "One more"})
            job = await jobs.job(shared, made.id, "status startedAt finishedAt")
            assert is_instant(job.pop("startedAt"))
            assert job == {"status": "PROCESSING", "finishedAt": None}


class TestTheWrongJob:
    """What every mutation of a job refuses."""

    @pytest.mark.parametrize("name", ["updateJob", "startJob", "cancelJob", "addScene"])
    async def test_one_that_is_not_there(self, shared: App, name: str) -> None:
        """With the id that leads nowhere."""
        more: Json = {"addScene": {"scene": {"prompt": "A kite"}}, "updateJob": {"title": "New"}}.get(name, {})
        assert await refused(shared, NO_JOB, name, jobId=NO_JOB, **more) == missing("jobId", NO_JOB)

    @pytest.mark.parametrize("name", ["updateJob", "startJob", "cancelJob", "addScene"])
    async def test_one_that_has_changed_since(self, shared: App, name: str) -> None:
        """With the version it is at; made against that version it is accepted."""
        more: Json = {"addScene": {"scene": {"prompt": "A kite"}}, "updateJob": {"title": "New"}}.get(name, {})
        made = await a_job(shared, "One")
        await jobs.retitle(shared, made.id, "Changed meanwhile")
        for version in (1, 3):
            assert await refused(shared, made.id, name, jobId=made.id, expectedVersion=version, **more) == stale(2)
        await accepted(shared, name, jobId=made.id, expectedVersion=2, **more)
        assert (await jobs.job(shared, made.id, "version"))["version"] > 2


async def test_everything_wrong_is_told_at_once(shared: App) -> None:
    """So that a form can show it."""
    errors = await refusals(
        shared,
        NO_JOB,
        "createJob",
        title=" ",
        provider="nobody",
        metadata={"x": "y" * 17_000},
        idempotencyKey="",
        scenes=[{"prompt": "A kite"}, {"prompt": "", "title": "x" * 201, "durationSeconds": 61}],
    )
    assert errors == [
        invalid("title"),
        invalid("idempotencyKey"),
        invalid("metadata"),
        invalid("provider"),
        invalid("scenes", "1", "prompt"),
        invalid("scenes", "1", "title"),
        invalid("scenes", "1", "durationSeconds"),
    ]
