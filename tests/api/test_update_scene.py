"""updateScene: edits of a scene, and reports of a worker."""

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import CLIP_URL, a_job, a_job_of, a_scene, accepted, report
from tests.support.queries import EVERYTHING, changes, invalid, read_scene, refused
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestUpdate:
    """updateScene: edits of a scene, and reports of a worker."""

    async def test_update_of_a_scene_edits_its_fields(self, shared: App) -> None:
        """Title, prompt, duration and metadata, in one event that names them."""
        made = await a_job(shared, "One")
        fields: Json = {"title": "First", "prompt": "Eins\nZwei", "durationSeconds": 0.5, "metadata": {"b": [1]}}
        payload = await accepted(
            shared,
            "updateScene",
            "scene { title prompt durationSeconds metadata version status }",
            sceneId=made.scenes[0],
            **fields,
        )
        assert payload["scene"] == fields | {"version": 2, "status": "PENDING"}
        assert await changes(shared, made.id, 1) == [
            ("SCENE_UPDATED", ["title", "prompt", "durationSeconds", "metadata"])
        ]

    async def test_update_with_null_clears_the_title_of_a_scene(self, shared: App) -> None:
        """Fields that are not given stay."""
        made = await a_job(shared, scenes=[{"prompt": "One", "title": "First"}])
        payload = await accepted(shared, "updateScene", "scene { title prompt }", sceneId=made.scenes[0], title=None)
        assert payload["scene"] == {"title": None, "prompt": "One"}

    @pytest.mark.parametrize("field", ["prompt", "durationSeconds", "metadata", "status"])
    async def test_update_with_null_in_a_required_field_of_a_scene_is_refused(self, shared: App, field: str) -> None:
        """The error names the field."""
        made = await a_job(shared, "One")
        error = await refused(shared, made.id, "updateScene", sceneId=made.scenes[0], **{field: None})
        assert error == invalid(field)

    async def test_repeated_update_of_a_scene_is_a_no_op(self, shared: App) -> None:
        """No event, for edits, reports and both."""
        made = await a_job(shared, scenes=[{"prompt": "One", "title": "First", "metadata": {"a": 1}}])
        await report(shared, made.scenes[0], "COMPLETED", providerId="replicate-xyz", outputUrl=CLIP_URL)
        before = await jobs.job(shared, made.id, EVERYTHING)
        same: Json = {"prompt": "One", "title": "First", "metadata": {"a": 1}, "durationSeconds": 5}
        reported: Json = {
            "status": "COMPLETED",
            "providerId": "replicate-xyz",
            "outputUrl": CLIP_URL,
            "percentage": 100,
        }
        for fields in (same, reported, same | reported, {}):
            await accepted(shared, "updateScene", sceneId=made.scenes[0], **fields)
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    async def test_boolean_that_replaces_a_number_in_metadata_of_a_scene_is_a_change(self, shared: App) -> None:
        """Python takes true for 1 and false for 0."""
        made = await a_job(shared, scenes=[{"prompt": "One", "metadata": {"a": 1}}])
        await accepted(shared, "updateScene", sceneId=made.scenes[0], metadata={"a": True})
        assert (await read_scene(shared, made.scenes[0], "metadata"))["metadata"]["a"] is True

    async def test_update_of_a_finished_scene_is_accepted(self, shared: App) -> None:
        """Its take keeps the prompt that it was rendered from."""
        made = await a_job_of(shared, "COMPLETED")
        payload = await accepted(
            shared, "updateScene", "scene { prompt currentTake { prompt } }", sceneId=made.scenes[0], prompt="Edited"
        )
        assert payload["scene"] == {"prompt": "Edited", "currentTake": {"prompt": "Scene 0"}}

    async def test_reports_of_a_worker_from_start_to_completion(self, shared: App) -> None:
        """Every report is stored; a percentage alone records no event and never decreases."""
        made = await a_job(shared, "One")
        scene_id = made.scenes[0]
        await report(shared, scene_id, "PROCESSING", providerId="replicate-xyz", percentage=10)
        assert await read_scene(shared, scene_id, "status providerId percentage attempts version output { url }") == {
            "status": "PROCESSING",
            "providerId": "replicate-xyz",
            "percentage": 10.0,
            "attempts": 1,
            "version": 3,
            "output": None,
        }
        for reported, shown in ((40, 40.0), (20, 40.0), (99.5, 99.5)):
            payload = await accepted(
                shared,
                "updateScene",
                "scene { percentage version } job { version }",
                sceneId=scene_id,
                percentage=reported,
            )
            assert payload == {"scene": {"percentage": shown, "version": 3}, "job": {"version": 3}}
        await report(shared, scene_id, "COMPLETED", outputUrl=CLIP_URL)
        scene = await read_scene(shared, scene_id, "status output { url contentType } failure { code } finishedAt")
        assert scene.pop("finishedAt") is not None
        assert scene == {
            "status": "COMPLETED",
            "output": {"url": CLIP_URL, "contentType": "video/mp4"},
            "failure": None,
        }
        assert await changes(shared, made.id, 1) == [
            ("JOB_STARTED", ["status", "startedAt"]),
            ("SCENE_STARTED", ["status", "providerId"]),
            ("SCENE_COMPLETED", ["status", "output"]),
            ("JOB_SETTLED", ["status", "finishedAt", "outputFailure"]),
        ]

    async def test_failure_report_is_shown_on_the_scene_and_its_take(self, shared: App) -> None:
        """Code, message and `retryable` are those of the report."""
        made = await a_job(shared, "One")
        failure: Json = {"code": "NSFW", "message": "The prompt\nis not allowed", "retryable": True}
        await report(shared, made.scenes[0], "PROCESSING", "FAILED", failure=failure)
        selection = "failure { code message retryable occurredAt } finishedAt"
        scene = await read_scene(shared, made.scenes[0], f"{selection} currentTake {{ {selection} }}")
        expected = {"failure": failure | {"occurredAt": scene["finishedAt"]}, "finishedAt": scene["finishedAt"]}
        assert scene == expected | {"currentTake": expected}

    async def test_failure_report_without_a_reason_gets_a_default(self, shared: App) -> None:
        """So that every failed scene has a failure."""
        made = await a_job_of(shared, "FAILED")
        assert await read_scene(shared, made.scenes[0], "failure { code message retryable }") == {
            "failure": {"code": "REPORTED_FAILURE", "message": "The worker reported a failure.", "retryable": False}
        }

    @pytest.mark.parametrize(
        ("name", "content_type"),
        [
            ("kite.webm?token=x.mp4", "video/webm"),
            ("kite.MOV#x.webm", "video/quicktime"),
            ("kite.mkv", "video/x-matroska"),
            ("kite", "video/mp4"),
            ("kite.html", "video/mp4"),
            ("kite.svg", "video/mp4"),
            ("kite.js", "video/mp4"),
            ("folder.webm/kite", "video/mp4"),
        ],
    )
    async def test_content_type_of_a_reported_clip_is_that_of_a_video(
        self, shared: App, name: str, content_type: str
    ) -> None:
        """The type follows from the file extension in the path of the URL, and is never that of a page or script."""
        made = await a_job(shared, "One")
        await report(shared, made.scenes[0], "PROCESSING", outputUrl=f"https://clips.test/{name}")
        output = await read_scene(shared, made.scenes[0], "output { contentType }")
        assert output == {"output": {"contentType": content_type}}

    @pytest.mark.parametrize(
        ("current", "fields", "field"),
        [
            ("PENDING", {"percentage": 50}, "percentage"),
            ("PENDING", {"status": "COMPLETED", "percentage": 50}, "percentage"),
            ("PROCESSING", {"failure": {"code": "X", "message": "Y"}}, "failure"),
            ("PROCESSING", {"status": "COMPLETED", "failure": {"code": "X", "message": "Y"}}, "failure"),
            ("PENDING", {"outputUrl": CLIP_URL}, "outputUrl"),
            ("PROCESSING", {"status": "FAILED", "outputUrl": CLIP_URL}, "outputUrl"),
            ("COMPLETED", {"outputUrl": CLIP_URL}, "outputUrl"),
            ("COMPLETED", {"providerId": "another"}, "providerId"),
            ("FAILED", {"providerId": "another"}, "providerId"),
            ("CANCELED", {"providerId": "another"}, "providerId"),
        ],
    )
    async def test_report_that_does_not_fit_the_status_of_the_scene_is_refused(
        self, shared: App, current: str, fields: Json, field: str
    ) -> None:
        """The error names the field that does not go with the status."""
        job_id, scene_id = await a_scene(shared, current)
        assert await refused(shared, job_id, "updateScene", sceneId=scene_id, **fields) == invalid(field)
