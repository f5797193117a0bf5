"""All rows of jobs, and what differs between two states of one version."""

from typing import Any, NamedTuple

import sqlalchemy as sa

from models.db.database import Connection
from models.db.tables import JOB, SCENE, TAKE

Row = dict[str, Any]


class Rows(NamedTuple):
    """The rows of each table by id, without those of deleted scenes."""

    tables: dict[str, dict[str, Row]]

    def changed_since(self, before: "Rows") -> dict[str, set[str]]:
        """Return the columns, by table, that differ although the version of the job is the same.

        Fails when a row was added or removed without a new version.
        """
        changed = {table: set[str]() for table in self.tables}
        versions, former = self._versions(), before._versions()
        same = {job_id for job_id, version in versions.items() if former.get(job_id) == version}
        for table, found in self.tables.items():
            earlier = before.tables[table]
            for row_id in {*found, *earlier}:
                now, then = found.get(row_id), earlier.get(row_id)
                row = now or then
                assert row is not None
                if row.get("job_id", row_id) in same:
                    assert now is not None, (table, row_id)
                    assert then is not None, (table, row_id)
                    changed[table] |= {name for name, value in now.items() if value != then[name]}
        return changed

    def _versions(self) -> dict[str, int]:
        return {job_id: row["version"] for job_id, row in self.tables[JOB.name].items()}


async def job_rows(connection: Connection) -> Rows:
    """Read all rows."""
    live = SCENE.c.deleted_at.is_(None)
    takes = sa.select(TAKE).join(SCENE, SCENE.c.id == TAKE.c.scene_id).where(live)
    queries = {JOB.name: sa.select(JOB), SCENE.name: sa.select(SCENE).where(live), TAKE.name: takes}
    tables: dict[str, dict[str, Row]] = {}
    for table, query in queries.items():
        found = [dict(row) for row in (await connection.execute(query)).mappings()]
        tables[table] = {row["id"]: row for row in found}
    return Rows(tables)
