"""regenerateScene: a finished scene is rendered again with a new take."""

import pytest

from tests.support.factories import CLIP_URL, a_job, a_scene, accepted, report
from tests.support.queries import changes, read_scene, refused, state
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestRegenerate:
    """regenerateScene: a finished scene is rendered again."""

    async def test_regenerate_resets_the_scene_and_keeps_its_last_take(self, shared: App) -> None:
        """The scene starts with a new take; the earlier take is unchanged."""
        made = await a_job(shared, "One")
        scene_id = made.scenes[0]
        await report(
            shared, scene_id, "PROCESSING", "COMPLETED", providerId="replicate-1", outputUrl=CLIP_URL, title="Title"
        )
        before = await read_scene(shared, scene_id)
        payload = await accepted(
            shared, "regenerateScene", "scene { id } job { status version }", sceneId=scene_id, prompt="Better"
        )
        version = before["version"] + 2
        assert payload == {"scene": {"id": scene_id}, "job": {"status": "PROCESSING", "version": version}}
        after = await read_scene(shared, scene_id)
        new, old = after["takes"]
        assert old == before["takes"][0] | {"isCurrent": False}
        created = new.pop("createdAt")
        assert new == {
            "id": after["currentTake"]["id"],
            "number": 2,
            "reason": "REGENERATE",
            "prompt": "Better",
            "status": "PENDING",
            "provider": "external",
            "providerId": None,
            "output": None,
            "poster": None,
            "preview": None,
            "original": None,
            "failure": None,
            "isCurrent": True,
            "startedAt": None,
            "finishedAt": None,
        }
        assert before["percentage"] == 100
        assert after == before | {
            "status": "PENDING",
            "prompt": "Better",
            "percentage": None,
            "providerId": None,
            "output": None,
            "attempts": 1,
            "maxAttempts": 4,
            "currentTake": after["currentTake"],
            "takes": after["takes"],
            "availableActions": ["UPDATE", "MOVE", "CANCEL"],
            "allowedTransitions": ["PROCESSING", "COMPLETED", "FAILED", "CANCELED"],
            "version": version,
            "updatedAt": created,
            "startedAt": None,
            "finishedAt": None,
        }
        happened = await changes(shared, made.id, version - 1)
        changed = ["status", "output", "providerId", "failure", "percentage", "prompt", "outputFailure"]
        assert happened == [("SCENE_REGENERATED", changed)]

    @pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELED"])
    async def test_regenerate_is_accepted_in_every_final_status(self, shared: App, status: str) -> None:
        """Without a prompt the prompt stays the same."""
        _, scene_id = await a_scene(shared, status)
        payload = await accepted(
            shared, "regenerateScene", "scene { status prompt failure { code } takes { number } }", sceneId=scene_id
        )
        assert payload["scene"] == {
            "status": "PENDING",
            "prompt": "A kite",
            "failure": None,
            "takes": [{"number": 2}, {"number": 1}],
        }

    @pytest.mark.parametrize(
        ("status", "allowed"),
        [
            ("PENDING", ["PROCESSING", "COMPLETED", "FAILED", "CANCELED"]),
            ("PROCESSING", ["COMPLETED", "FAILED", "CANCELED"]),
        ],
    )
    async def test_regenerate_of_an_open_scene_is_refused(self, shared: App, status: str, allowed: list[str]) -> None:
        """The scene must be finished first."""
        job_id, scene_id = await a_scene(shared, status)
        error = await refused(shared, job_id, "regenerateScene", sceneId=scene_id)
        assert error == state("NOT_REGENERABLE", "sceneId", status, "PENDING", *allowed)

    async def test_regenerate_of_a_canceled_scene_does_not_start_its_job(self, shared: App) -> None:
        """The job stays PENDING."""
        made = await a_job(shared, "One")
        await accepted(shared, "cancelScene", sceneId=made.scenes[0])
        payload = await accepted(
            shared, "regenerateScene", "scene { status queuePosition } job { status }", sceneId=made.scenes[0]
        )
        assert payload == {"scene": {"status": "PENDING", "queuePosition": None}, "job": {"status": "PENDING"}}
