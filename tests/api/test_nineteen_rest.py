"""The nineteen scenarios that existing clients depend on, over REST."""

import pytest

from tests.support import jobs
from tests.support.factories import NO_JOB, NO_SCENE, REPORTS_TO_REACH, a_job, a_job_of
from tests.support.queries import EVERYTHING
from tests.support.rest_calls import call, data, error, no_job, place, refusal
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestListScenes:
    """GET /jobs/{job_id}/scenes."""

    async def test_list_scenes(self, shared: App) -> None:
        """In play order, with the progress of the job."""
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

    async def test_list_scenes_of_unknown_job_is_404(self, shared: App) -> None:
        """With the error of an unknown job."""
        assert await error(shared, "GET", NO_JOB) == no_job()

    async def test_list_scenes_of_empty_job(self, shared: App) -> None:
        """A job without scenes has empty data and zero progress."""
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


class TestGetScene:
    """GET /jobs/{job_id}/scenes/{scene_id}."""

    async def test_get_scene(self, shared: App) -> None:
        """All fields with their current values."""
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
            "take_number": 1,
            "attempts": 0,
            "max_attempts": 3,
            "next_attempt_at": None,
            "metadata": {"a": [1]},
            "settings": {},
            "inputs": [],
            "version": 1,
            "created_at": scene["created_at"],
            "updated_at": scene["created_at"],
            "started_at": None,
            "finished_at": None,
            "deleted_at": None,
        }

    async def test_get_scene_of_unknown_job_is_404(self, shared: App) -> None:
        """Although the scene exists."""
        made = await a_job(shared, "A kite")
        assert await error(shared, "GET", NO_JOB, made.scenes[0]) == no_job()

    async def test_get_unknown_scene_is_404(self, shared: App) -> None:
        """Although the job exists."""
        made = await a_job(shared, "A kite")
        expected = refusal("NOT_FOUND", "The job has no such scene.", "scene_id")
        assert await error(shared, "GET", made.id, NO_SCENE) == (404, expected)

    async def test_scene_of_another_job_is_404(self, shared: App) -> None:
        """With a code of its own."""
        made, another = await a_job(shared, "A kite"), await a_job(shared, "A ship")
        expected = refusal("SCENE_NOT_IN_JOB", "The scene belongs to another job.", "scene_id")
        for method, fields in (("GET", {}), ("PUT", {"status": "completed"}), ("DELETE", {})):
            assert await error(shared, method, made.id, another.scenes[0], **fields) == (404, expected)


class TestUpdateScene:
    """PUT /jobs/{job_id}/scenes/{scene_id}."""

    async def test_put_scene_status_and_provider_id(self, shared: App) -> None:
        """Both are written."""
        made = await a_job(shared, "A kite")
        scene = await data(shared, "PUT", *place(made), status="completed", provider_id="replicate-xyz")
        assert (scene["status"], scene["provider_id"]) == ("completed", "replicate-xyz")
        assert await data(shared, "GET", *place(made)) == scene

    async def test_put_scene_status_keeps_the_provider_id(self, shared: App) -> None:
        """It is absent from the body."""
        made = await a_job(shared, "A kite")
        await data(shared, "PUT", *place(made), provider_id="replicate-xyz")
        scene = await data(shared, "PUT", *place(made), status="processing")
        assert (scene["status"], scene["provider_id"]) == ("processing", "replicate-xyz")

    async def test_put_scene_of_unknown_job_is_404(self, shared: App) -> None:
        """Although the scene exists; it is not changed."""
        made = await a_job(shared, "A kite")
        assert await error(shared, "PUT", NO_JOB, made.scenes[0], status="completed") == no_job()
        assert (await data(shared, "GET", *place(made)))["status"] == "pending"

    async def test_put_invalid_scene_status_is_422(self, shared: App) -> None:
        """An unknown status, and a transition that is not allowed."""
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


class TestRegenerateScene:
    """POST /jobs/{job_id}/scenes/{scene_id}/regenerate."""

    @pytest.mark.parametrize("status", ["completed", "failed"])
    async def test_regenerate_finished_scene(self, shared: App, status: str) -> None:
        """A completed or failed scene is pending again, without the values of its last take."""
        made = await a_job(shared, "A kite")
        fields = {"video_url": "https://clips.test/1.mp4"} if status == "completed" else {}
        before = await data(shared, "PUT", *place(made), status=status, provider_id="replicate-xyz", **fields)
        assert before["video_url"] == fields.get("video_url")
        scene = await data(shared, "POST", *place(made), "regenerate")
        named = ("status", "provider_id", "video_url", "failure", "percentage", "started_at", "finished_at")
        assert {name: scene[name] for name in named} == dict.fromkeys(named) | {"status": "pending"}
        assert (await call(shared, "GET", made.id)).json()["progress"]["current_stage"] == "queued"

    async def test_regenerate_pending_scene_is_422(self, shared: App) -> None:
        """It has no take that could be rendered again."""
        made = await a_job(shared, "A kite")
        message = "A scene that is PENDING cannot be regenerated before it is finished."
        assert await error(shared, "POST", *place(made), "regenerate") == (
            422,
            refusal("NOT_REGENERABLE", message, "scene_id"),
        )

    async def test_regenerate_scene_of_unknown_job_is_404(self, shared: App) -> None:
        """Although the scene exists."""
        made = await a_job_of(shared, "COMPLETED")
        assert await error(shared, "POST", NO_JOB, made.scenes[0], "regenerate") == no_job()


class TestDeleteScene:
    """DELETE /jobs/{job_id}/scenes/{scene_id}."""

    @pytest.mark.parametrize("status", sorted(REPORTS_TO_REACH))
    async def test_delete_scene_of_processing_job_is_422(self, shared: App, status: str) -> None:
        """Whatever the status of the scene; accepted after the job is canceled."""
        made = await a_job_of(shared, "PROCESSING", status)
        message = "Scenes cannot be deleted while their job is processing; cancel the job first."
        assert await error(shared, "DELETE", *place(made, 1)) == (422, refusal("JOB_PROCESSING", message, "scene_id"))
        await shared.mutate("cancelJob", "errors { code }", jobId=made.id)
        assert (await data(shared, "DELETE", *place(made, 1)))["deleted_at"] is not None

    async def test_delete_scene_of_pending_job(self, shared: App) -> None:
        """It is no longer listed."""
        made = await a_job(shared, "One", "Two")
        scene = await data(shared, "DELETE", *place(made))
        assert scene["id"] == made.scenes[0]
        left = (await call(shared, "GET", made.id)).json()
        assert [(scene["id"], scene["position"]) for scene in left["data"]] == [(made.scenes[1], 0)]
        assert left["progress"]["total"] == 1
        expected = refusal("NOT_FOUND", "The job has no such scene.", "scene_id")
        assert await error(shared, "GET", *place(made)) == (404, expected)

    async def test_delete_scene_of_unknown_job_is_404(self, shared: App) -> None:
        """Although the scene exists."""
        made = await a_job(shared, "A kite")
        assert await error(shared, "DELETE", NO_JOB, made.scenes[0]) == no_job()

    async def test_delete_unknown_scene_is_404(self, shared: App) -> None:
        """Although the job exists."""
        made = await a_job(shared, "A kite")
        expected = refusal("NOT_FOUND", "There is no such scene.", "scene_id")
        assert await error(shared, "DELETE", made.id, NO_SCENE) == (404, expected)
