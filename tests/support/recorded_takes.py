"""What was recorded of the takes of a job, and the checks of it: each is started and ended at most once."""

from collections import Counter

from models.db.rows import EventRow, SceneRow, TakeRow
from models.domain.access import SYSTEM
from models.domain.lifecycle import SceneStatus
from models.reads import queries
from models.writes.store import Store


async def record_of(store: Store, job_id: str) -> tuple[list[EventRow], list[SceneRow], dict[str, list[TakeRow]]]:
    """Return the log of a job, its scenes, and their takes, newest first."""
    async with store.read() as connection:
        log = await queries.events_after(connection, job_id, 0, 1_000_000)
        ids = {event.scene_id for event in log if event.scene_id is not None}
        scenes = await queries.scenes_by_id(connection, SYSTEM, [*ids])
        takes = await queries.takes_of_scenes(connection, [*ids], 1_000)
    return log, list(scenes.values()), takes


def check_record(log: list[EventRow], scenes: list[SceneRow], takes: dict[str, list[TakeRow]]) -> None:
    """The log has no gap, each take was started and ended at most once, and each clip belongs to its take."""
    assert [event.version for event in log] == list(range(1, len(log) + 1))
    for scene in scenes:
        logged = Counter(event.type.value for event in log if event.scene_id == scene.id)
        own_takes = takes[scene.id]
        completed = [take for take in own_takes if take.status is SceneStatus.COMPLETED]
        failed = [take for take in own_takes if take.status is SceneStatus.FAILED]
        canceled = [take for take in own_takes if take.status is SceneStatus.CANCELED]
        assert len(own_takes) == len(completed) + len(failed) + len(canceled), "a take was left open"
        assert logged["SCENE_COMPLETED"] == len(completed)
        assert logged["SCENE_RETRYING"] + logged["SCENE_FAILED"] == len(failed)
        assert logged["SCENE_CANCELED"] == len(canceled)
        assert logged["SCENE_STARTED"] == sum(take.started_at is not None for take in own_takes)
        assert logged["SCENE_REGENERATED"] + logged["SCENE_RETRYING"] == len(own_takes) - 1
        for take in own_takes:
            clip = take.output
            assert (clip is not None) == (take.status is SceneStatus.COMPLETED), "a stale clip was accepted"
            assert clip is None or take.id in clip["key"], "a clip was recorded at another take"
