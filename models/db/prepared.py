"""The statements of write transactions: compiled once for each kind of database, and run by `models.db.drivers`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from models.db.statements import Kind, Returning, Statement

# How many forms of INSERT and UPDATE, by their columns, stay compiled.
FORMS = 512
# The parameter of an UPDATE that is the id of its row.
KEY = "key_of_row"
# A parameter must not have the name of a column that the statement sets.
_PREFIX = "to_"


class Prepared:
    """A statement with named parameters (`sa.bindparam`), compiled at its first use on each kind of database.

    `on_postgres` makes the statement where its construct differs between the two: then Postgres' is imported when it is
    needed. Calls name the parameters without `prefix`.
    """

    __slots__ = ("_compiled", "_on_postgres", "_prefix", "_statement", "returns_rows")

    def __init__(
        self, statement: Returning, on_postgres: Callable[[], Returning] | None = None, *, prefix: str = ""
    ) -> None:
        self._statement = statement
        self._on_postgres = on_postgres
        self._prefix = prefix
        self._compiled: dict[Kind, Statement] = {}
        self.returns_rows = bool(tuple(statement.exported_columns))

    def on(self, kind: Kind) -> Statement:
        """Return the statement for this kind of database."""
        compiled = self._compiled.get(kind)
        if compiled is None:
            compiled = self._compiled[kind] = Statement(kind, self.plain(kind), self._prefix)
        return compiled

    def plain(self, kind: Kind) -> Returning:
        """Return the statement for a connection of SQLAlchemy to this kind of database."""
        other = self._on_postgres if kind == "postgresql" else None
        return self._statement if other is None else other()


class Call(NamedTuple):
    """A statement and its parameters; with several sets of them, it is executed for each and returns no rows."""

    statement: Prepared
    parameters: Sequence[Mapping[str, Any]] = ({},)


@lru_cache(FORMS)
def _insert(table: sa.Table, columns: tuple[str, ...]) -> Prepared:
    return Prepared(sa.insert(table).values({name: _parameter(table, name) for name in columns}), prefix=_PREFIX)


@lru_cache(FORMS)
def _update(table: sa.Table, columns: tuple[str, ...]) -> Prepared:
    key = sa.bindparam(KEY, type_=table.c.id.type)
    values = {name: _parameter(table, name) for name in columns}
    return Prepared(sa.update(table).where(table.c.id == key).values(values), prefix=_PREFIX)


def _parameter(table: sa.Table, name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(_PREFIX + name, type_=table.c[name].type)


def inserts(table: sa.Table, rows: Collection[Mapping[str, Any]]) -> list[Call]:
    """Return the INSERTs of these rows: one statement for all that have the same columns."""
    # Most changes have one row of a table, whose columns need not be compared with those of others.
    if len(rows) == 1:
        (row,) = rows
        return [Call(_insert(table, tuple(row)), (row,))]
    forms: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        forms.setdefault(tuple(row), []).append(row)
    return [Call(_insert(table, columns), parameters) for columns, parameters in forms.items()]


def updates(table: sa.Table, rows: Mapping[str, Mapping[str, Any]]) -> list[Call]:
    """Return the UPDATEs that set these columns of the rows with these ids."""
    if len(rows) == 1:
        ((row_id, values),) = rows.items()
        return [Call(_update(table, tuple(values)), ({**values, KEY: row_id},))]
    forms: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row_id, values in rows.items():
        forms.setdefault(tuple(values), []).append({**values, KEY: row_id})
    return [Call(_update(table, columns), parameters) for columns, parameters in forms.items()]
