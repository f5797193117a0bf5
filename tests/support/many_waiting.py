"""Many waiting takes, written without the commands."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from models.db.tables import JOB, SCENE, TAKE
from models.db.turn_tables import JOB_TURN, OWNER_TURN
from models.domain import ids
from tests.support.domain import OURS, Domain

Row = dict[str, Any]


async def add_waiting(world: Domain, owner_id: str, jobs: int, scenes: int, *, turn: int = 1_000) -> None:
    """Add jobs of an owner, each with this many waiting takes, as copies of a job that waits."""
    async with world.store.write() as connection:

        async def some(table: sa.Table, *condition: sa.ColumnElement[bool]) -> Row:
            return dict((await connection.execute(sa.select(table).where(*condition).limit(1))).mappings().one())

        scene = await some(SCENE, SCENE.c.queued_at.is_not(None), SCENE.c.deleted_at.is_(None))
        job, take = await some(JOB, JOB.c.id == scene["job_id"]), await some(TAKE, TAKE.c.id == scene["take_id"])
        job |= {"owner_id": owner_id, "pending": scenes}
        made = [job | {"id": ids.new("job")} for _ in range(jobs)]
        pairs = list(_scenes(made, scene, take, scenes))
        await connection.execute(sa.insert(JOB), made)
        await connection.execute(sa.insert(SCENE), [each for each, _ in pairs])
        await connection.execute(sa.insert(TAKE), [each for _, each in pairs])
        await connection.execute(sa.insert(OWNER_TURN), [{"provider": OURS, "owner_id": owner_id, "turn": turn}])
        turns = [
            {"job_id": each["id"], "provider": OURS, "owner_id": owner_id, "turn": turn + number}
            for number, each in enumerate(made)
        ]
        await connection.execute(sa.insert(JOB_TURN), turns)


def _scenes(jobs: list[Row], scene: Row, take: Row, scenes: int) -> Iterator[tuple[Row, Row]]:
    for job in jobs:
        for position in range(scenes):
            scene_id, take_id = ids.new("scene"), ids.new("take")
            yield (
                scene | {"id": scene_id, "job_id": job["id"], "take_id": take_id, "position": position},
                take | {"id": take_id, "job_id": job["id"], "scene_id": scene_id},
            )
