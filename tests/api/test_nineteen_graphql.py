"""The nineteen cases that clients of the previous API rely on, over GraphQL."""

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


async def list_scenes(app: App, job_id: str) -> Json | None:
    """Return the scenes of a job and its progress."""
    return (await app.execute(LIST, id=job_id))["job"]


async def get_scene(app: App, job_id: str, scene_id: str) -> Json | None:
    """Return one scene of a job."""
    return (await app.execute(GET, id=scene_id, jobId=job_id))["scene"]


class TestListScenes:
    """The scenes of a job."""

    async def test_list_of_several_scenes(self, shared: App) -> None:
        """In play order, with the progress of the job."""
        made = await a_job_of(shared, "COMPLETED", "PROCESSING", "FAILED", "PENDING")
        assert await list_scenes(shared, made.id) == {
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

    async def test_list_of_scenes_of_a_missing_job(self, shared: App) -> None:
        """Null, not an error."""
        assert await list_scenes(shared, NO_JOB) is None

    async def test_list_of_scenes_of_an_empty_job(self, shared: App) -> None:
        """An empty list and a progress of zero."""
        made = await a_job(shared)
        assert await list_scenes(shared, made.id) == {
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


class TestGetScene:
    """One scene."""

    async def test_get_of_a_scene_returns_its_details(self, shared: App) -> None:
        """Ids, prompt, status and provider id."""
        job_id, scene_id = await a_scene(shared)
        assert await get_scene(shared, job_id, scene_id) == {
            "id": scene_id,
            "jobId": job_id,
            "prompt": "A kite",
            "status": "PENDING",
            "providerId": None,
        }

    async def test_get_of_a_scene_with_a_missing_job(self, shared: App) -> None:
        """Null, although the scene exists."""
        _, scene_id = await a_scene(shared)
        assert await get_scene(shared, NO_JOB, scene_id) is None

    async def test_get_of_a_missing_scene(self, shared: App) -> None:
        """Null, although the job exists."""
        job_id, _ = await a_scene(shared)
        assert await get_scene(shared, job_id, NO_SCENE) is None

    async def test_get_of_a_scene_of_another_job(self, shared: App) -> None:
        """Null, by Query.scene and by Job.scene."""
        job_id, _ = await a_scene(shared)
        _, elsewhere = await a_scene(shared)
        assert await get_scene(shared, job_id, elsewhere) is None
        assert await job(shared, job_id, f'scene(id: "{elsewhere}") {{ id }}') == {"scene": None}


class TestUpdateScene:
    """A worker reports on a scene."""

    async def test_update_of_status_and_provider_id_of_a_scene(self, shared: App) -> None:
        """Both are stored."""
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

    async def test_update_of_the_status_of_a_scene_keeps_its_provider_id(self, shared: App) -> None:
        """The status is stored."""
        job_id, scene_id = await a_scene(shared)
        await accepted(shared, "updateScene", sceneId=scene_id, providerId="replicate-xyz")
        payload = await accepted(
            shared, "updateScene", "scene { status providerId }", sceneId=scene_id, jobId=job_id, status="PROCESSING"
        )
        assert payload == {"scene": {"status": "PROCESSING", "providerId": "replicate-xyz"}}

    async def test_update_of_a_scene_with_a_missing_job(self, shared: App) -> None:
        """The job is checked before the scene."""
        job_id, scene_id = await a_scene(shared)
        error = await refused(shared, job_id, "updateScene", sceneId=scene_id, jobId=NO_JOB, status="COMPLETED")
        assert error == missing("jobId", NO_JOB)

    async def test_update_of_a_scene_with_an_invalid_status(self, shared: App) -> None:
        """An unknown status is an invalid document; an impossible transition is refused."""
        job_id, scene_id = await a_scene(shared, "PROCESSING")
        document = f'mutation {{ updateScene(input: {{sceneId: "{scene_id}", status: SHINY}}) {{ scene {{ id }} }} }}'
        (error,) = (await shared.result(document))["errors"]
        assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert await refused(shared, job_id, "updateScene", sceneId=scene_id, status="PENDING") == state(
            "INVALID_TRANSITION", "status", "PROCESSING", "PENDING", "COMPLETED", "FAILED", "CANCELED"
        )


class TestRegenerateScene:
    """A scene is rendered again."""

    @pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
    async def test_regenerate_of_a_finished_scene_resets_it(self, shared: App, status: str) -> None:
        """A completed or failed scene is PENDING again, without the values of its last take."""
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

    async def test_regenerate_of_a_pending_scene_is_refused(self, shared: App) -> None:
        """There is no result to replace."""
        job_id, scene_id = await a_scene(shared)
        assert await refused(shared, job_id, "regenerateScene", sceneId=scene_id) == state(
            "NOT_REGENERABLE", "sceneId", "PENDING", "PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELED"
        )

    async def test_regenerate_of_a_scene_with_a_missing_job(self, shared: App) -> None:
        """The job is checked before the scene."""
        job_id, scene_id = await a_scene(shared, "COMPLETED")
        error = await refused(shared, job_id, "regenerateScene", sceneId=scene_id, jobId=NO_JOB)
        assert error == missing("jobId", NO_JOB)


class TestDeleteScene:
    """A scene is removed from its job."""

    @pytest.mark.parametrize("status", sorted(REPORTS_TO_REACH))
    async def test_delete_of_a_scene_of_a_processing_job_is_refused(self, shared: App, status: str) -> None:
        """Whatever the status of the scene."""
        made = await a_job_of(shared, "PROCESSING", status)
        error = await refused(shared, made.id, "deleteScene", sceneId=made.scenes[1], jobId=made.id)
        assert error == state("JOB_PROCESSING", "sceneId")

    async def test_delete_of_a_scene_of_a_pending_job(self, shared: App) -> None:
        """It is removed from the list, and can still be read."""
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

    async def test_delete_of_a_scene_with_a_missing_job(self, shared: App) -> None:
        """The job is checked before the scene."""
        job_id, scene_id = await a_scene(shared)
        error = await refused(shared, job_id, "deleteScene", sceneId=scene_id, jobId=NO_JOB)
        assert error == missing("jobId", NO_JOB)

    async def test_delete_of_a_missing_scene(self, shared: App) -> None:
        """The job exists, but does not have this scene."""
        job_id, _ = await a_scene(shared)
        error = await refused(shared, job_id, "deleteScene", sceneId=NO_SCENE, jobId=job_id)
        assert error == missing("sceneId", NO_SCENE)
