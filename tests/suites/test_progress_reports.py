"""Progress that updateScene reports while a worker takes the render over."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coordinator.commands import scene_progress
from coordinator.commands.inputs import SceneTarget
from coordinator.renders import claims
from models.domain.access import LOCAL
from tests.support.claiming import claim_ticket
from tests.support.database_choice import database_choice
from tests.support.domain import domain
from tests.support.postgres import Databases

LEASE = timedelta(minutes=1)


async def test_percentage_reported_during_a_take_over_is_written(
    tmp_path: Path, postgres: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A take-over does not need the lock of the job, so it can commit between the read and the write of a report."""
    with database_choice.use(postgres):
        async with domain(tmp_path) as env:
            job_id = await env.a_job(start=True)
            held = await claim_ticket(env.store, env.tickets[-1], "one", LEASE)
            assert held is not None
            advance = scene_progress.advance

            async def take_over_first(*arguments: Any, **values: Any) -> None:
                assert await claims.release(env.store, held)
                taken = await claim_ticket(env.store, env.tickets[-1], "two", LEASE)
                assert taken == held._replace(run=held.run + 2, fresh=False)
                await advance(*arguments, **values)

            monkeypatch.setattr(scene_progress, "advance", take_over_first)
            await env.scenes.update(LOCAL, SceneTarget(held.scene_id), {"percentage": 40.0})
            (scene,) = (await env.job_state(job_id)).live
            assert (scene.percentage, scene.run, scene.leased_by) == (40.0, held.run + 2, "two")
