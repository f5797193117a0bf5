"""The SELECTs of a change on the scenes of its job."""

import sqlalchemy as sa

from models.db.prepared import Prepared
from models.db.rows import SCENE_SELECT
from models.db.tables import JOB, SCENE
from models.domain.lifecycle import SceneStatus

_JOB_ID = sa.bindparam("job_id", type_=JOB.c.id.type)
_OF_JOB = SCENE_SELECT.where(SCENE.c.job_id == _JOB_ID)
LIVE = Prepared(_OF_JOB.where(SCENE.c.deleted_at.is_(None)).order_by(SCENE.c.position))
DELETED = Prepared(_OF_JOB.where(SCENE.c.deleted_at.is_not(None)).order_by(SCENE.c.position, SCENE.c.id))
AMONG = Prepared(
    _OF_JOB.where(
        SCENE.c.id.in_(sa.select(sa.func.json_each(sa.bindparam("scene_ids", type_=sa.JSON())).table_valued("value")))
    ),
    lambda: _OF_JOB.where(SCENE.c.id == sa.any_(sa.bindparam("scene_ids", type_=sa.ARRAY(sa.Text())))),
)
PENDING_TAKES = Prepared(
    sa.select(SCENE.c.id, SCENE.c.take_number)
    .where(SCENE.c.job_id == _JOB_ID, SCENE.c.deleted_at.is_(None), SCENE.c.status == SceneStatus.PENDING)
    .order_by(SCENE.c.position)
)
PLACES = Prepared(
    sa.select(SCENE.c.id, SCENE.c.position, SCENE.c.deleted_at)
    .where(SCENE.c.job_id == _JOB_ID)
    .order_by(SCENE.c.position, SCENE.c.id)
)
