"""Takes that wait to be rendered, and the lines of providers in which they do, for an operator."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from models.db import rows
from models.db.database import Connection
from models.db.rows import SCENE_SELECT, SceneRow
from models.db.tables import JOB, SCENE
from models.domain.access import EXTERNAL
from models.domain.lifecycle import JobStatus, SceneStatus
from models.reads.queries import waits_for_worker

# Takes of the provider `external` have no ticket: a worker outside the server reports on them when it likes.
_REPORTED = sa.and_(
    JOB.c.provider == EXTERNAL,
    JOB.c.status == JobStatus.PROCESSING,
    JOB.c.deleted_at.is_(None),
    SCENE.c.status == SceneStatus.PENDING,
    SCENE.c.deleted_at.is_(None),
)
# An earlier program may not have noted the start of a report.
_SINCE = sa.func.coalesce(SCENE.c.queued_at, SCENE.c.reported_at, SCENE.c.updated_at)


class Line(NamedTuple):
    """The takes of a provider: how many wait, `paused` of them for a retry, how many are rendered, and since when the
    first has been due."""

    provider: str
    waiting: int
    paused: int
    running: int
    oldest: datetime | None


async def waiting_takes(connection: Connection, provider: str | None, limit: int) -> list[SceneRow]:
    """Return `limit` scenes whose takes wait, of this provider if one is given, those that are due longest first."""
    query = SCENE_SELECT.where(waits_for_worker() | _REPORTED, *_of(provider))
    query = query.order_by(_SINCE, SCENE.c.position, SCENE.c.id).limit(limit)
    return rows.all_rows(SceneRow, await connection.execute(query))


async def lines(connection: Connection, provider: str | None, now: datetime) -> list[Line]:
    """Return the line of each provider for which takes wait or are rendered, of this one if one is given."""
    joined = SCENE.join(JOB, JOB.c.id == SCENE.c.job_id)
    pause = sa.case((SCENE.c.next_attempt_at > now, 1))
    waiting = (
        sa.select(JOB.c.provider, sa.func.count(), sa.func.count(pause), sa.func.min(_SINCE))
        .select_from(joined)
        .where(waits_for_worker() | _REPORTED, *_of(provider))
        .group_by(JOB.c.provider)
    )
    running = (
        sa.select(JOB.c.provider, sa.func.count())
        .select_from(joined)
        .where(SCENE.c.status == SceneStatus.PROCESSING, SCENE.c.deleted_at.is_(None), JOB.c.deleted_at.is_(None))
        .where(*_of(provider))
        .group_by(JOB.c.provider)
    )
    found: defaultdict[str, tuple[int, int, datetime | None]] = defaultdict(lambda: (0, 0, None))
    for name, count, paused, oldest in await connection.execute(waiting):
        found[name] = (count, paused, oldest)
    rendered = {str(name): int(count) for name, count in await connection.execute(running)}
    names = sorted({*found, *rendered})
    return [Line(name, *found[name][:2], rendered.get(name, 0), found[name][2]) for name in names]


def _of(provider: str | None) -> Sequence[sa.ColumnElement[bool]]:
    return [] if provider is None else [JOB.c.provider == provider]
