"""The nineteen things that clients have always relied on, over GraphQL."""

import pytest

from tests.support.client import Json
from tests.support.factories import NO_JOB, NO_SCENE, REPORTS_TO_REACH, a_job, a_job_of, a_scene, accepted
from tests.support.jobs import job
from tests.support.queries import missing, read_scene, refused, state
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIST = """query($id: ID!) { job(id: $id) {
    scenes { totalCount nodes { position prompt status } }
    progress { total completed processing failed pending percentage currentStage }
} }"""
GET = "query($id: ID!, $jobId: ID) { scene(id: $id, jobId: $jobId) { id jobId prompt status providerId } }"


async def listed(app: App, job_id: str) -> Json | None:
    """The scenes of a job and how far it is."""
    return (await app.execute(LIST, id=job_id))["job"]


async def got(app: App, job_id: str, scene_id: str) -> Json | None:
    """One scene of a job."""
    return (await app.execute(GET, id=scene_id, jobId=job_id))["scene"]


class TestList:
    """The scenes of a job."""

    async def test_several_scenes(self, shared: App) -> None:
        """In play order, with the progress of the whole."""
        made = await a_job_of(shared, "COMPLETED", "PROCESSING", "FAILED", "PENDING")
        assert await listed(shared, made.id) == {
            "scenes": {
                "totalCount": 4,
                "nodes": [
                    {"position": 0, "prompt": "Scene 0", "status": "COMPLETED"},
                    {"position": 1, "prompt": "Scene 1", "status": "PROCESSING"},
                    {"position": 2, "prompt": "Scene 2", "status": "FAILED"},
                    {"position": 3, "prompt": "Scene 3", "status": "PENDING"},
                ],
            },
            "progress": {
                "total": 4,
                "completed": 1,
                "processing": 1,
                "failed": 1,
                "pending": 1,
                "percentage": 25.0,
                "currentStage": "GENERATING",
            },
        }

    async def test_job_not_found(self, shared: App) -> None:
        """Null, not an error."""
        assert await listed(shared, NO_JOB) is None

    async def test_empty(self, shared: App) -> None:
        """A job without scenes is a job all the same."""
        made = await a_job(shared)
        assert await listed(shared, made.id) == {
            "scenes": {"totalCount": 0, "nodes": []},
            "progress": {
                "total": 0,
                "completed": 0,
                "processing": 0,
                "failed": 0,
                "pending": 0,
                "percentage": 0.0,
                "currentStage": "WAITING",
            },
        }


class TestGet:
    """One scene."""

    async def test_details(self, shared: App) -> None:
        """As it is now."""
        job_id, scene_id = await a_scene(shared)
        assert await got(shared, job_id, scene_id) == {
            "id": scene_id,
            "jobId": job_id,
            "prompt": "A kite",
            "status": "PENDING",
            "providerId": None,
        }

    async def test_job_not_found(self, shared: App) -> None:
        """Null, though there is such a scene."""
        _, scene_id = await a_scene(shared)
        assert await got(shared, NO_JOB, scene_id) is None

    async def test_scene_not_found(self, shared: App) -> None:
        """Null, though there is such a job."""
        job_id, _ = await a_scene(shared)
        assert await got(shared, job_id, NO_SCENE) is None

    async def test_scene_of_another_job(self, shared: App) -> None:
        """Null, both when asked by Query.scene and by Job.scene."""
        job_id, _ = await a_scene(shared)
        _, elsewhere = await a_scene(shared)
        assert await got(shared, job_id, elsewhere) is None
        assert await job(shared, job_id, f'scene(id: "{elsewhere}") {{ id }}') == {"scene": None}


class TestUpdate:
    """A worker reports on a scene."""

    async def test_status_and_provider_id(self, shared: App) -> None:
        """Both are written."""
        job_id, scene_id = await a_scene(shared)
        payload = await accepted(
            shared,
            "updateScene",
            "scene { status providerId }",
            sceneId=scene_id,
            jobId=job_id,
            status="COMPLETED",
            providerId="replicate-xyz",
        )
        assert payload == {"scene": {"status": "COMPLETED", "providerId": "replicate-xyz"}}

    async def test_status_only(self, shared: App) -> None:
        """The provider's id stays what it was."""
        job_id, scene_id = await a_scene(shared)
        await accepted(shared, "updateScene", sceneId=scene_id, providerId="replicate-xyz")
        payload = await accepted(
            shared, "updateScene", "scene { status providerId }", sceneId=scene_id, jobId=job_id, status="PROCESSING"
        )
        assert payload == {"scene": {"status": "PROCESSING", "providerId": "replicate-xyz"}}

    async def test_job_not_found(self, shared: App) -> None:
        """The job is looked for before the scene."""
        job_id, scene_id = await a_scene(shared)
        error = await refused(shared, job_id, "updateScene", sceneId=scene_id, jobId=NO_JOB, status="COMPLETED")
        assert error == missing("jobId", NO_JOB)

    async def test_invalid_status(self, shared: App) -> None:
        """One that does not exist is no operation at all; one that cannot follow is refused."""
        job_id, scene_id = await a_scene(shared, "PROCESSING")
        document = f'mutation {{ updateScene(input: {{sceneId: "{scene_id}", status: SHINY}}) {{ scene {{ id }} }} }}'
        (error,) = (await shared.result(document))["errors"]
        assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert await refused(shared, job_id, "updateScene", sceneId=scene_id, status="PENDING") == state(
            "INVALID_TRANSITION", "status", "PROCESSING", "PENDING", "COMPLETED", "FAILED", "CANCELED"
        )


class TestRegenerate:
    """A scene is rendered anew."""

    @pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
    async def test_finished(self, shared: App, status: str) -> None:
        """A completed or a failed scene goes back to pending, without what its last take had."""
        job_id, scene_id = await a_scene(shared, "PROCESSING")
        link = {"outputUrl": "https://clips.test/1.mp4"} if status == "COMPLETED" else {}
        await accepted(
            shared, "updateScene", sceneId=scene_id, status=status, providerId="replicate-xyz", percentage=None, **link
        )
        payload = await accepted(
            shared,
            "regenerateScene",
            "scene { status providerId percentage output { url } failure { code } } job { status }",
            sceneId=scene_id,
            jobId=job_id,
        )
        assert payload == {
            "scene": {"status": "PENDING", "providerId": None, "percentage": None, "output": None, "failure": None},
            "job": {"status": "PROCESSING"},
        }

    async def test_pending_is_refused(self, shared: App) -> None:
        """There is nothing yet to make anew."""
        job_id, scene_id = await a_scene(shared)
        assert await refused(shared, job_id, "regenerateScene", sceneId=scene_id) == state(
            "NOT_REGENERABLE", "sceneId", "PENDING", "PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELED"
        )

    async def test_job_not_found(self, shared: App) -> None:
        """The job is looked for before the scene."""
        job_id, scene_id = await a_scene(shared, "COMPLETED")
        error = await refused(shared, job_id, "regenerateScene", sceneId=scene_id, jobId=NO_JOB)
        assert error == missing("jobId", NO_JOB)


class TestDelete:
    """A scene is taken out of its job."""

    @pytest.mark.parametrize("status", sorted(REPORTS_TO_REACH))
    async def test_refused_while_the_job_is_processing(self, shared: App, status: str) -> None:
        """Whatever the scene's own status is."""
        made = await a_job_of(shared, "PROCESSING", status)
        error = await refused(shared, made.id, "deleteScene", sceneId=made.scenes[1], jobId=made.id)
        assert error == state("JOB_PROCESSING", "sceneId")

    async def test_from_a_pending_job(self, shared: App) -> None:
        """It is gone from the list, and can still be looked at."""
        made = await a_job(shared, "One", "Two")
        payload = await accepted(
            shared,
            "deleteScene",
            "deletedSceneId job { status scenes { nodes { id position } } }",
            sceneId=made.scenes[0],
            jobId=made.id,
        )
        assert payload == {
            "deletedSceneId": made.scenes[0],
            "job": {"status": "PENDING", "scenes": {"nodes": [{"id": made.scenes[1], "position": 0}]}},
        }
        assert (await read_scene(shared, made.scenes[0], "deletedAt"))["deletedAt"] is not None

    async def test_job_not_found(self, shared: App) -> None:
        """The job is looked for before the scene."""
        job_id, scene_id = await a_scene(shared)
        error = await refused(shared, job_id, "deleteScene", sceneId=scene_id, jobId=NO_JOB)
        assert error == missing("jobId", NO_JOB)

    async def test_scene_not_found(self, shared: App) -> None:
        """There is such a job, but not with this scene."""
        job_id, _ = await a_scene(shared)
        error = await refused(shared, job_id, "deleteScene", sceneId=NO_SCENE, jobId=job_id)
        assert error == missing("sceneId", NO_SCENE)
