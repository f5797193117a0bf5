"""What changes in the rows of a job without a new version of the job (docs/decisions/0019-fragments-by-version.md)."""

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import sqlalchemy as sa

from models.db.statements import SHAPES, Kind, Statement, among, without_index
from models.db.tables import SCENE
from models.domain.lifecycle import SceneStatus
from models.reads.list_plans import Source
from models.reads.shapes import Columns

SHOWN: Columns = ("percentage", "high_water", "frame")
"""The columns that renders write, and that answers show, while a scene is processing."""

WITHOUT_VERSION: Final[Mapping[str, frozenset[str]]] = {
    # Answers do not show it.
    "job": frozenset({"title_folded"}),
    # Besides those in SHOWN, which are written while the scene is processing only: leases and the instants of reports,
    # which answers do not show.
    "scene": frozenset({*SHOWN, "run", "leased_by", "lease_expires_at", "ticket", "line", "reported_at"}),
    "take": frozenset(),
}
"""All columns that are written without a new version, by table.

Also, the purge removes deleted scenes and lowers the positions of others of them, and the log loses old events.
"""


@lru_cache(SHAPES)
def _moving(kind: Kind, *, one: bool) -> Statement:
    """The processing scenes of jobs."""
    select = sa.select(SCENE.c.job_id, SCENE.c.id, *(SCENE.c[name] for name in SHOWN))
    processing = (without_index(kind, SCENE.c.status) == SceneStatus.PROCESSING) & SCENE.c.deleted_at.is_(None)
    return Statement(kind, select.where(among(kind, SCENE.c.job_id, "ids", one=one), processing))


async def moving(source: Source, job_ids: Sequence[str]) -> Mapping[str, Hashable]:
    """Return what moves in each of these jobs: equal for two reads of one version only if all columns are equal."""
    found: dict[str, set[tuple[object, ...]]] = {job_id: set() for job_id in job_ids}
    for job_id, *scene in await source.fetch(_moving(source.kind, one=len(job_ids) == 1), {"ids": job_ids}):
        found[job_id].add(tuple(scene))
    return {job_id: frozenset(scenes) for job_id, scenes in found.items()}
