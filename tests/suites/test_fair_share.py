"""Fair share: an owner with many queued scenes does not delay an owner with few."""

from pathlib import Path

import pytest

from coordinator.commands.inputs import NewJob, NewScene
from coordinator.queue.port import Concurrency
from models.domain.access import Viewer
from tests.support.domain import OURS, domain
from tests.support.postgres_processes import queue_for
from tests.support.recording_handler import LAST, RecordingHandler, running

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

ALONE = Concurrency(1, {OURS: 0, LAST.provider: 0})
ANN, BOB = (Viewer(id=name, name=name, roles=()) for name in ("ann", "bob"))


async def test_scenes_of_two_owners_are_rendered_in_turn(tmp_path: Path) -> None:
    """Ann queues thirty scenes and then Bob three: his alternate with her first three."""
    renderer = RecordingHandler()
    async with domain(tmp_path) as world:
        owner_of: dict[str, str] = {}
        for viewer, scenes in ((ANN, 30), (BOB, 3)):
            new = NewJob("A job", [NewScene(f"prompt {n}") for n in range(scenes)], OURS, start=True)
            job_id = await world.jobs.create(viewer, new)
            owner_of |= {scene.id: viewer.id for scene in (await world.job_state(job_id)).live}
        async with queue_for(tmp_path, ALONE) as queue:
            await queue.enqueue(world.tickets)
            async with running(queue, renderer):
                await renderer.until_last(queue)
    served = [owner_of[scene_id] for scene_id in renderer.names]
    assert served == ["ann", "bob"] * 3 + ["ann"] * 27
