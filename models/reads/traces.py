"""The SELECT of the trace to which the take of a scene belongs."""

import sqlalchemy as sa

from models.db.database import Connection
from models.db.tables import SCENE

_OF_SCENE = sa.select(SCENE.c.traceparent).where(SCENE.c.id == sa.bindparam("scene_id", type_=SCENE.c.id.type))


async def traceparent(connection: Connection, scene_id: str) -> str | None:
    """Return the span, as a `traceparent` header, of the request that let the take of a scene wait."""
    return (await connection.execute(_OF_SCENE, {"scene_id": scene_id})).scalar()
