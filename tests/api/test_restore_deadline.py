"""The end of the recovery window, to the microsecond."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from coordinator.storage import purge
from models.db import clock
from models.db.clock import now
from models.db.tables import SCENE
from tests.support.factories import a_job, accepted
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def remove_none(_store: object) -> list[str]:
    """Delete no scene."""
    return []


@pytest.mark.parametrize(("left", "codes"), [(0, ["RECOVERY_EXPIRED"]), (1, [])])
async def test_scene_cannot_be_restored_at_the_instant_its_recovery_expires(
    shared: App, monkeypatch: pytest.MonkeyPatch, left: int, codes: list[str]
) -> None:
    """A microsecond earlier it can."""
    # By the same clock, the server would purge the scene. A pass that has begun is over after the next changes.
    monkeypatch.setattr(purge, "remove_scenes", remove_none)
    made = await a_job(shared, "A kite", "A boat")
    await accepted(shared, "deleteScene", "deletedSceneId", sceneId=made.scenes[0])
    instant = now() + timedelta(hours=1)
    expiry = sa.update(SCENE).where(SCENE.c.id == made.scenes[0])
    async with shared.container.store.write() as connection:
        await connection.execute(expiry.values(purge_after=instant + timedelta(microseconds=left)))
    monkeypatch.setattr(clock, "now", lambda: instant)
    payload = await shared.mutate("restoreScene", "errors { code }", sceneId=made.scenes[0])
    assert [error["code"] for error in payload["errors"]] == codes
