"""The compiled SELECTs of the scenes of jobs: one for each shape, as in `shapes`."""

from functools import lru_cache
from typing import Literal, NamedTuple

import sqlalchemy as sa

from models.db.statements import SHAPES, Kind, Statement, among, named, without_index
from models.db.tables import SCENE
from models.reads.bounds import Bound, Side, bounds, limited
from models.reads.shapes import SCENE_SOURCES, Columns, Condition, scenes_with, selected


class SceneListShape(NamedTuple):
    """What differs in the text of the lists of scenes of jobs.

    Parameters: `ids` of the jobs, `limit`, `after_position`, `after_id`, `before_position`, `before_id`, `statuses`.
    """

    one: bool
    backward: bool
    limited: bool
    after: bool
    before: bool
    statuses: Literal["one", "many"] | None
    include_deleted: bool


@lru_cache(SHAPES)
def scenes(kind: Kind, shape: SceneListShape, *, columns: Columns) -> Statement:
    """One page of the scenes of each job, with one scene more than the limit; without a limit, in no order."""
    order = [SCENE.c.position, SCENE.c.id]
    if shape.backward:
        order = [each.desc() for each in order]
    inside = [bound.inside for bound in _scene_bounds(kind, shape).values()]
    conditions = [*_scene_conditions(kind, shape), *inside]
    select, joined = sa.select(*selected(SCENE_SOURCES, columns)), scenes_with(columns)
    if not shape.limited:
        return Statement(kind, select.select_from(joined).where(*conditions))
    if shape.one:
        return Statement(
            kind, limited(kind, select.select_from(joined).where(*conditions).order_by(*order), limited=True)
        )
    rank = sa.func.row_number().over(partition_by=SCENE.c.job_id, order_by=order).label("rank")
    ranked = sa.select(SCENE.c.id, rank).where(*conditions).subquery()
    select = select.select_from(joined.join(ranked, ranked.c.id == SCENE.c.id))
    return Statement(kind, select.where(ranked.c.rank <= named("limit", sa.Integer())).order_by(*order))


@lru_cache(SHAPES)
def scenes_outside(kind: Kind, shape: SceneListShape, side: Side) -> Statement:
    """The jobs that have scenes outside one of the cursors."""
    outside = _scene_bounds(kind, shape)[side].outside
    return Statement(kind, sa.select(SCENE.c.job_id).where(*_scene_conditions(kind, shape), outside).distinct())


@lru_cache(SHAPES)
def scenes_count(kind: Kind, shape: SceneListShape) -> Statement:
    """The number of scenes of each job on all pages."""
    select = sa.select(SCENE.c.job_id, sa.func.count()).where(*_scene_conditions(kind, shape))
    return Statement(kind, select.group_by(SCENE.c.job_id))


def _scene_bounds(kind: Kind, shape: SceneListShape) -> dict[Side, Bound]:
    kinds = (sa.Integer(), SCENE.c.id.type)
    key = sa.tuple_(SCENE.c.position, SCENE.c.id)
    return bounds(kind, shape, key, ("position", "id"), kinds, descending=False)


def _scene_conditions(kind: Kind, shape: SceneListShape) -> list[Condition]:
    conditions = [among(kind, SCENE.c.job_id, "ids", one=shape.one)]
    if not shape.include_deleted:
        conditions.append(SCENE.c.deleted_at.is_(None))
    if shape.statuses is not None:
        # By the index of all statuses, the scenes of every job would be read.
        status = without_index(kind, SCENE.c.status)
        conditions.append(among(kind, status, "statuses", one=shape.statuses == "one"))
    return conditions
