"""What a lease is shown from: rows of one moment, and what only its worker sees."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from coordinator.assets.uploads import UploadTarget
from coordinator.leases.files import LeaseFile
from models.db.lease_rows import LeaseRow, WorkerRow
from models.db.rows import SceneRow, TakeRow
from models.domain.access import SYSTEM
from models.reads import queries
from schema.context import Context


class LeaseView(NamedTuple):
    """A lease; `token`, `files` and `upload` are given to its worker alone."""

    lease: LeaseRow
    worker: WorkerRow
    scene: SceneRow
    take: TakeRow
    token: str | None = None
    stored_files: Sequence[LeaseFile] = ()
    upload: UploadTarget | None = None


async def leases_of(context: Context, worker: WorkerRow, held: Sequence[LeaseRow]) -> list[LeaseView]:
    """Return leases of a worker as everyone sees them: those on takes that the viewer may see."""
    scenes = await context.loaders.scene.load_many([lease.scene_id for lease in held])
    takes = await context.loaders.take.load_many([lease.take_id for lease in held])
    return [
        LeaseView(lease, worker, scene, take)
        for lease, scene, take in zip(held, scenes, takes, strict=True)
        if scene is not None and take is not None and scene.leased_by == worker.id
    ]


async def takes_of(context: Context, take_ids: Sequence[str]) -> Mapping[str, TakeRow]:
    """Return takes that the caller leases, even if they are not visible to the caller otherwise."""
    if not take_ids:
        return {}
    async with context.snapshot.read() as connection:
        return await queries.takes_by_id(connection, SYSTEM, take_ids)
