"""Invalid fields of jobs and scenes are refused with the path of the field."""

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_JOB, a_job, accepted
from tests.support.invalid_values import BAD_DURATIONS, BAD_METADATA, BAD_PROMPTS, BAD_TITLES, GOOD_METADATA
from tests.support.queries import invalid, refused
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestJobInput:
    """createJob and updateJob."""

    @pytest.mark.parametrize("title", BAD_TITLES.values(), ids=BAD_TITLES)
    async def test_invalid_job_titles_are_refused(self, shared: App, title: str) -> None:
        """At most 200 characters in one line, and at least one visible character."""
        made = await a_job(shared)
        assert await refused(shared, NO_JOB, "createJob", title=title) == invalid("title")
        assert await refused(shared, made.id, "updateJob", jobId=made.id, title=title) == invalid("title")

    @pytest.mark.parametrize("metadata", BAD_METADATA.values(), ids=BAD_METADATA)
    async def test_invalid_job_metadata_is_refused(self, shared: App, metadata: Json) -> None:
        """At most 16 KiB of JSON that every client can read."""
        made = await a_job(shared)
        assert await refused(shared, NO_JOB, "createJob", title="A job", metadata=metadata) == invalid("metadata")
        error = await refused(shared, made.id, "updateJob", jobId=made.id, metadata=metadata)
        assert error == invalid("metadata")

    @pytest.mark.parametrize("key", ["", " ", "x" * 201, "a\0b", "a\nb"])
    @pytest.mark.parametrize("name", ["createJob", "startJob", "cancelJob", "addScene", "regenerateScene"])
    async def test_invalid_idempotency_keys_are_refused(self, shared: App, name: str, key: str) -> None:
        """At most 200 characters in one line."""
        made = await a_job(shared, "One")
        fields: Json = {
            "createJob": {"title": "A job"},
            "addScene": {"jobId": made.id, "scene": {"prompt": "Two"}},
            "regenerateScene": {"sceneId": made.scenes[0]},
        }.get(name, {"jobId": made.id})
        assert await refused(shared, made.id, name, idempotencyKey=key, **fields) == invalid("idempotencyKey")

    async def test_values_at_the_limits_are_stored_unchanged(self, shared: App) -> None:
        """In any alphabet."""
        title, prompt = "海" * 200, "Two\r\n\tlines " + "🪁" * 3000
        for metadata in GOOD_METADATA:
            payload = await accepted(
                shared,
                "createJob",
                "job { title metadata scenes { nodes { title prompt durationSeconds metadata } } }",
                title=title,
                metadata=metadata,
                scenes=[{"title": title, "prompt": prompt, "durationSeconds": 0.5, "metadata": metadata}],
                idempotencyKey=jobs.seeded("key").randbytes(100).hex(),
            )
            scene: Json = {"title": title, "prompt": prompt, "durationSeconds": 0.5, "metadata": metadata}
            assert payload["job"] == {"title": title, "metadata": metadata, "scenes": {"nodes": [scene]}}


class TestSceneInput:
    """The scenes of createJob, addScene, updateScene and regenerateScene."""

    @pytest.mark.parametrize("prompt", BAD_PROMPTS.values(), ids=BAD_PROMPTS)
    async def test_invalid_scene_prompts_are_refused(self, shared: App, prompt: str) -> None:
        """At most 4,000 characters; line breaks are allowed, other control characters are not."""
        made = await a_job(shared, "One")
        await accepted(shared, "cancelScene", sceneId=made.scenes[0])
        await self._check(shared, made, "prompt", prompt)
        error = await refused(shared, made.id, "regenerateScene", sceneId=made.scenes[0], prompt=prompt)
        assert error == invalid("prompt")

    @pytest.mark.parametrize("title", BAD_TITLES.values(), ids=BAD_TITLES)
    async def test_invalid_scene_titles_are_refused(self, shared: App, title: str) -> None:
        """A scene may have no title, but not an empty one."""
        made = await a_job(shared, "One")
        await self._check(shared, made, "title", title)

    @pytest.mark.parametrize("seconds", BAD_DURATIONS)
    async def test_invalid_scene_durations_are_refused(self, shared: App, seconds: float) -> None:
        """From 0.5 to 60 seconds."""
        made = await a_job(shared, "One")
        await self._check(shared, made, "durationSeconds", seconds)

    @pytest.mark.parametrize("metadata", BAD_METADATA.values(), ids=BAD_METADATA)
    async def test_invalid_scene_metadata_is_refused(self, shared: App, metadata: Json) -> None:
        """The same rules as for a job."""
        made = await a_job(shared, "One")
        await self._check(shared, made, "metadata", metadata)

    async def _check(self, app: App, made: jobs.Made, field: str, value: object) -> None:
        """Check that every mutation with a scene in its input refuses the value with the path of the field."""
        scene: Json = {"prompt": "A kite", field: value}
        error = await refused(app, NO_JOB, "createJob", title="A job", scenes=[{"prompt": "One"}, scene])
        assert error == invalid("scenes", "1", field)
        assert await refused(app, made.id, "addScene", jobId=made.id, scene=scene) == invalid("scene", field)
        error = await refused(app, made.id, "updateScene", sceneId=made.scenes[0], **{field: value})
        assert error == invalid(field)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("percentage", -0.001),
            ("percentage", 100.001),
            ("providerId", ""),
            ("providerId", "x" * 201),
            ("providerId", "a\0b"),
            ("outputUrl", ""),
            ("outputUrl", "not an address"),
            ("outputUrl", "ftp://clips.test/1.mp4"),
            ("outputUrl", "javascript:alert(1)"),
            ("outputUrl", "/etc/passwd"),
            ("outputUrl", "https://"),
            ("outputUrl", "https://[half/1.mp4"),
            ("outputUrl", "https://clips.test/a b.mp4"),
            ("outputUrl", "https://amy:secret@clips.test/1.mp4"),
            ("outputUrl", "https://amy@clips.test/1.mp4"),
            ("outputUrl", "https://:secret@clips.test/1.mp4"),
            ("outputUrl", "https://@clips.test/1.mp4"),
            ("outputUrl", "https://clips.test\\@other.test/1.mp4"),
            ("outputUrl", "https://clips.test/" + "x" * 2048),
        ],
    )
    async def test_invalid_reports_on_a_scene_are_refused(self, shared: App, field: str, value: object) -> None:
        """Percentage, provider id and output URL."""
        made = await a_job(shared, "One")
        fields: Json = {"status": "PROCESSING", field: value}
        assert await refused(shared, made.id, "updateScene", sceneId=made.scenes[0], **fields) == invalid(field)

    @pytest.mark.parametrize(
        ("field", "value"), [("code", ""), ("code", "x" * 101), ("message", ""), ("message", "x" * 1001)]
    )
    async def test_invalid_reported_failures_are_refused(self, shared: App, field: str, value: str) -> None:
        """Code and message, each with its path."""
        made = await a_job(shared, "One")
        failure: Json = {"code": "NSFW", "message": "Not allowed", field: value}
        error = await refused(shared, made.id, "updateScene", sceneId=made.scenes[0], status="FAILED", failure=failure)
        assert error == invalid("failure", field)
