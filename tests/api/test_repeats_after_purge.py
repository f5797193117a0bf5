"""A request that is repeated with its idempotency key, after its object was deleted for good."""

import pytest
import sqlalchemy as sa

from models.db.clock import now
from models.db.tables import SCENE
from tests.support import jobs, purges
from tests.support.client import Json
from tests.support.factories import accepted
from tests.support.queries import ERRORS, refused
from tests.support.server_app import App

pytestmark = pytest.mark.both_databases


def gone(missing_id: str) -> Json:
    """Return the error of a repeat."""
    return {
        "__typename": "NotFoundError",
        "code": "NOT_FOUND",
        "path": ["input", "idempotencyKey"],
        "id": missing_id,
    }


async def test_repeat_on_purged_scene_is_refused(app: App) -> None:
    """Not answered with success and no scene; the repeat on another scene is still answered."""
    made = await jobs.make(app, jobs.scene("A kite"), jobs.scene("A boat"), provider="external")
    kite, boat = made.scenes
    of_kite: Json = {"sceneId": kite, "idempotencyKey": "kite"}
    of_boat: Json = {"sceneId": boat, "idempotencyKey": "boat"}
    adding: Json = {"jobId": made.id, "scene": {"prompt": "A cloud"}, "idempotencyKey": "cloud"}
    cloud = (await accepted(app, "addScene", "scene { id }", **adding))["scene"]["id"]
    await accepted(app, "cancelJob", jobId=made.id)
    await accepted(app, "regenerateScene", **of_kite)
    await accepted(app, "regenerateScene", **of_boat)
    await accepted(app, "cancelJob", jobId=made.id)
    for scene_id in (kite, cloud):
        await accepted(app, "deleteScene", sceneId=scene_id)
    async with app.container.store.write() as connection:
        over = sa.update(SCENE).where(SCENE.c.id.in_([kite, cloud])).values(purge_after=now() + purges.PAST)
        await connection.execute(over)
    await purges.run(app)
    assert await refused(app, made.id, "regenerateScene", **of_kite) == gone(kite)
    assert await refused(app, made.id, "addScene", **adding) == gone(cloud)
    answered = await accepted(app, "regenerateScene", "scene { id } job { id }", **of_boat)
    assert (answered["scene"]["id"], answered["job"]["id"]) == (boat, made.id)


async def test_repeat_on_purged_job_is_refused(app: App) -> None:
    """The key is kept for a day, and a job may be restored for less."""
    made = await jobs.make(app, provider="external")
    canceling: Json = {"jobId": made.id, "idempotencyKey": "canceling"}
    creating: Json = {"title": "Made once", "provider": "external", "idempotencyKey": "creating"}
    await accepted(app, "cancelJob", **canceling)
    created = (await accepted(app, "createJob", "job { id }", **creating))["job"]["id"]
    for job_id in (made.id, created):
        await purges.delete(app, job_id)
    await purges.run(app)
    for name, fields, missing_id in (("cancelJob", canceling, made.id), ("createJob", creating, created)):
        payload = await app.mutate(name, f"job {{ id }} {ERRORS}", **fields)
        assert payload["errors"].pop().items() >= gone(missing_id).items()
        assert payload == {"job": None, "errors": []}
