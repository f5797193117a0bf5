"""The nineteen things that clients have always relied on, over REST."""

import pytest

from tests.support import jobs
from tests.support.factories import NO_JOB, NO_SCENE, ROADS, a_job, a_job_of
from tests.support.queries import EVERYTHING
from tests.support.rest_calls import call, data, error, no_job, place, refusal
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestList:
    """GET /jobs/{job_id}/scenes."""

    async def test_several_scenes(self, shared: App) -> None:
        """In play order, with the progress of the whole."""
        made = await a_job_of(shared, "COMPLETED", "PROCESSING", "FAILED", "PENDING")
        answer = (await call(shared, "GET", made.id)).json()
        assert list(answer) == ["data", "progress"]
        assert [(scene["id"], scene["position"], scene["status"]) for scene in answer["data"]] == [
            (made.scenes[0], 0, "completed"),
            (made.scenes[1], 1, "processing"),
            (made.scenes[2], 2, "failed"),
            (made.scenes[3], 3, "pending"),
        ]
        assert answer["progress"] == {
            "total": 4,
            "completed": 1,
            "processing": 1,
            "failed": 1,
            "canceled": 0,
            "pending": 1,
            "percentage": 25.0,
            "current_stage": "generating",
        }

    async def test_job_not_found(self, shared: App) -> None:
        """404."""
        assert await error(shared, "GET", NO_JOB) == no_job()

    async def test_empty(self, shared: App) -> None:
        """A job without scenes is a job all the same."""
        made = await a_job(shared)
        assert (await call(shared, "GET", made.id)).json() == {
            "data": [],
            "progress": {
                "total": 0,
                "completed": 0,
                "processing": 0,
                "failed": 0,
                "canceled": 0,
                "pending": 0,
                "percentage": 0.0,
                "current_stage": "waiting",
            },
        }


class TestGet:
    """GET /jobs/{job_id}/scenes/{scene_id}."""

    async def test_details(self, shared: App) -> None:
        """As it is now."""
        made = await a_job(shared, scenes=[{"prompt": "A kite", "title": "Kite", "metadata": {"a": [1]}}])
        scene = await data(shared, "GET", *place(made))
        assert scene["created_at"].endswith("Z")
        assert scene == {
            "id": made.scenes[0],
            "job_id": made.id,
            "position": 0,
            "title": "Kite",
            "prompt": "A kite",
            "duration_seconds": 5.0,
            "status": "pending",
            "percentage": None,
            "provider": "external",
            "provider_id": None,
            "video_url": None,
            "poster_url": None,
            "failure": None,
            "attempts": 0,
            "max_attempts": 3,
            "next_attempt_at": None,
            "metadata": {"a": [1]},
            "version": 1,
            "created_at": scene["created_at"],
            "updated_at": scene["created_at"],
            "started_at": None,
            "finished_at": None,
            "deleted_at": None,
        }

    async def test_job_not_found(self, shared: App) -> None:
        """404, though there is such a scene."""
        made = await a_job(shared, "A kite")
        assert await error(shared, "GET", NO_JOB, made.scenes[0]) == no_job()

    async def test_scene_not_found(self, shared: App) -> None:
        """404, though there is such a job."""
        made = await a_job(shared, "A kite")
        expected = refusal("NOT_FOUND", "The job has no such scene.", "scene_id")
        assert await error(shared, "GET", made.id, NO_SCENE) == (404, expected)

    async def test_scene_of_another_job(self, shared: App) -> None:
        """404, with a code of its own."""
        made, another = await a_job(shared, "A kite"), await a_job(shared, "A ship")
        expected = refusal("SCENE_NOT_IN_JOB", "The scene belongs to another job.", "scene_id")
        for method, fields in (("GET", {}), ("PUT", {"status": "completed"}), ("DELETE", {})):
            assert await error(shared, method, made.id, another.scenes[0], **fields) == (404, expected)


class TestUpdate:
    """PUT /jobs/{job_id}/scenes/{scene_id}."""

    async def test_status_and_provider_id(self, shared: App) -> None:
        """Both are written."""
        made = await a_job(shared, "A kite")
        scene = await data(shared, "PUT", *place(made), status="completed", provider_id="replicate-xyz")
        assert (scene["status"], scene["provider_id"]) == ("completed", "replicate-xyz")
        assert await data(shared, "GET", *place(made)) == scene

    async def test_status_only(self, shared: App) -> None:
        """The provider's id stays what it was."""
        made = await a_job(shared, "A kite")
        await data(shared, "PUT", *place(made), provider_id="replicate-xyz")
        scene = await data(shared, "PUT", *place(made), status="processing")
        assert (scene["status"], scene["provider_id"]) == ("processing", "replicate-xyz")

    async def test_job_not_found(self, shared: App) -> None:
        """404, though there is such a scene; it has not changed."""
        made = await a_job(shared, "A kite")
        assert await error(shared, "PUT", NO_JOB, made.scenes[0], status="completed") == no_job()
        assert (await data(shared, "GET", *place(made)))["status"] == "pending"

    async def test_invalid_status(self, shared: App) -> None:
        """422: one that does not exist, and one that cannot follow."""
        made = await a_job_of(shared, "PROCESSING")
        before = await jobs.job(shared, made.id, EVERYTHING)
        assert await error(shared, "PUT", *place(made), status="shiny") == (
            422,
            {
                "code": "VALIDATION_FAILED",
                "message": "The request cannot be understood.",
                "details": [
                    {
                        "code": "VALIDATION_FAILED",
                        "message": "Input should be 'pending', 'processing', 'completed', 'failed' or 'canceled'",
                        "path": ["status"],
                    }
                ],
            },
        )
        message = "A scene that is PROCESSING cannot become PENDING; it accepts COMPLETED or FAILED or CANCELED."
        assert await error(shared, "PUT", *place(made), status="pending") == (
            422,
            refusal("INVALID_TRANSITION", message, "status"),
        )
        assert await jobs.job(shared, made.id, EVERYTHING) == before


class TestRegenerate:
    """POST /jobs/{job_id}/scenes/{scene_id}/regenerate."""

    @pytest.mark.parametrize("status", ["completed", "failed"])
    async def test_finished(self, shared: App, status: str) -> None:
        """A completed or a failed scene goes back to pending, without what its last take had."""
        made = await a_job(shared, "A kite")
        fields = {"video_url": "https://clips.test/1.mp4"} if status == "completed" else {}
        before = await data(shared, "PUT", *place(made), status=status, provider_id="replicate-xyz", **fields)
        assert before["video_url"] == fields.get("video_url")
        scene = await data(shared, "POST", *place(made), "regenerate")
        named = ("status", "provider_id", "video_url", "failure", "percentage", "started_at", "finished_at")
        assert {name: scene[name] for name in named} == dict.fromkeys(named) | {"status": "pending"}
        assert (await call(shared, "GET", made.id)).json()["progress"]["current_stage"] == "queued"

    async def test_pending_is_refused(self, shared: App) -> None:
        """422: there is nothing yet to make anew."""
        made = await a_job(shared, "A kite")
        message = "A scene that is PENDING cannot be regenerated before it is finished."
        assert await error(shared, "POST", *place(made), "regenerate") == (
            422,
            refusal("NOT_REGENERABLE", message, "scene_id"),
        )

    async def test_job_not_found(self, shared: App) -> None:
        """404, though there is such a scene."""
        made = await a_job_of(shared, "COMPLETED")
        assert await error(shared, "POST", NO_JOB, made.scenes[0], "regenerate") == no_job()


class TestDelete:
    """DELETE /jobs/{job_id}/scenes/{scene_id}."""

    @pytest.mark.parametrize("status", sorted(ROADS))
    async def test_refused_while_the_job_is_processing(self, shared: App, status: str) -> None:
        """422, whatever the scene's own status is; after the job is canceled it is accepted."""
        made = await a_job_of(shared, "PROCESSING", status)
        message = "Scenes cannot be deleted while their job is processing; cancel the job first."
        assert await error(shared, "DELETE", *place(made, 1)) == (422, refusal("JOB_PROCESSING", message, "scene_id"))
        await shared.mutate("cancelJob", "errors { code }", jobId=made.id)
        assert (await data(shared, "DELETE", *place(made, 1)))["deleted_at"] is not None

    async def test_from_a_pending_job(self, shared: App) -> None:
        """It is gone from the list."""
        made = await a_job(shared, "One", "Two")
        scene = await data(shared, "DELETE", *place(made))
        assert scene["id"] == made.scenes[0]
        left = (await call(shared, "GET", made.id)).json()
        assert [(scene["id"], scene["position"]) for scene in left["data"]] == [(made.scenes[1], 0)]
        assert left["progress"]["total"] == 1
        expected = refusal("NOT_FOUND", "The job has no such scene.", "scene_id")
        assert await error(shared, "GET", *place(made)) == (404, expected)

    async def test_job_not_found(self, shared: App) -> None:
        """404, though there is such a scene."""
        made = await a_job(shared, "A kite")
        assert await error(shared, "DELETE", NO_JOB, made.scenes[0]) == no_job()

    async def test_scene_not_found(self, shared: App) -> None:
        """404, though there is such a job."""
        made = await a_job(shared, "A kite")
        expected = refusal("NOT_FOUND", "There is no such scene.", "scene_id")
        assert await error(shared, "DELETE", made.id, NO_SCENE) == (404, expected)
