"""What a transaction has still to write: rows to insert and columns to set, sent in as few statements as possible."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from models.db.lease_tables import TAKE_LEASE
from models.db.prepared import Call, inserts, updates
from models.db.tables import AUDIT, EVENT, JOB, SCENE, SCENE_INPUT, TAKE, WEBHOOK_DELIVERY

# Rows are inserted after those that their foreign keys refer to.
_PLACE = {
    table: place
    for place, table in enumerate((JOB, SCENE, TAKE, TAKE_LEASE, SCENE_INPUT, EVENT, AUDIT, WEBHOOK_DELIVERY))
}

Values = dict[str, Any]


class Pending:
    """Rows and columns by table. What is set on a row twice, or after its insertion, is written once."""

    def __init__(self) -> None:
        self._inserts: dict[sa.Table, dict[object, Values]] = {}
        self._updates: dict[sa.Table, dict[str, Values]] = {}

    def __bool__(self) -> bool:
        return bool(self._inserts or self._updates)

    def insert(self, table: sa.Table, row: Mapping[str, Any]) -> None:
        """Insert a row."""
        rows = self._inserts.setdefault(table, {})
        rows[row.get("id", len(rows))] = dict(row)

    def update(self, table: sa.Table, row_id: str, values: Mapping[str, Any]) -> None:
        """Set columns of a row."""
        inserted = self._inserts.get(table, {}).get(row_id)
        if inserted is None:
            inserted = self._updates.setdefault(table, {}).setdefault(row_id, {})
        inserted.update(values)

    def add(self, later: "Pending") -> None:
        """Add what was to be written after this."""
        for table, rows in later._inserts.items():
            for row in rows.values():
                self.insert(table, row)
        for table, updated in later._updates.items():
            for row_id, values in updated.items():
                self.update(table, row_id, values)

    def take(self) -> list[Call]:
        """Return the statements, which depend on each other by foreign keys only; they count as written then."""
        found: list[Call] = []
        for table in sorted(self._inserts, key=_PLACE.__getitem__):
            found += inserts(table, self._inserts[table].values())
        for table, rows in self._updates.items():
            found += updates(table, rows)
        self._inserts, self._updates = {}, {}
        return found
