"""createJob: a job with its scenes, and all errors of an invalid one."""

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_JOB, a_job, accepted
from tests.support.job_status import is_utc_instant
from tests.support.queries import EVERYTHING, invalid, log, refusals, refused
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestCreate:
    """createJob."""

    async def test_created_job_has_all_given_fields(self, shared: App) -> None:
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
        assert is_utc_instant(created)
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
                "preview": None,
                "original": None,
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

    async def test_job_needs_only_a_title(self, shared: App) -> None:
        """The provider is the server's default; scenes and metadata are empty."""
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

    async def test_job_can_start_when_it_is_created(self, shared: App) -> None:
        """In one transaction, with two events."""
        made = await a_job(shared, "A kite", start=True)
        job = await jobs.job(shared, made.id, "status version startedAt createdAt")
        assert job == {
            "status": "PROCESSING",
            "version": 2,
            "startedAt": job["createdAt"],
            "createdAt": job["createdAt"],
        }
        assert await log(shared, made.id) == [("JOB_CREATED", None), ("JOB_STARTED", None)]

    async def test_job_with_two_hundred_scenes_is_created(self, shared: App) -> None:
        """In the given order."""
        made = await a_job(shared, *(f"Scene {number}" for number in range(200)))
        scenes = (await jobs.job(shared, made.id, "scenes { nodes { position prompt } }"))["scenes"]["nodes"]
        assert scenes == [{"position": number, "prompt": f"Scene {number}"} for number in range(200)]

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"provider": "unknown"}, invalid("provider")),
            ({"provider": ""}, invalid("provider")),
            ({"start": True}, invalid("start")),
            ({"scenes": [{"prompt": "A kite"}] * 201}, invalid("scenes", code="LIMIT_EXCEEDED")),
        ],
        ids=["unknown provider", "empty provider", "start of nothing", "201 scenes"],
    )
    async def test_invalid_new_job_is_refused(self, shared: App, fields: Json, error: Json) -> None:
        """No job is created."""
        before = await shared.execute("{ jobs { totalCount } }")
        assert await refused(shared, NO_JOB, "createJob", title="A job", **fields) == error
        assert await shared.execute("{ jobs { totalCount } }") == before


async def test_all_validation_errors_of_a_new_job_are_returned_together(shared: App) -> None:
    """So that a form can show them."""
    errors = await refusals(
        shared,
        NO_JOB,
        "createJob",
        title=" ",
        provider="unknown",
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
