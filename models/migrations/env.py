"""The entry point of Alembic, which runs migrations on the connection of the configuration."""

from typing import Any

import sqlalchemy as sa
from alembic import context
from sqlmodel import SQLModel

from models.db import asset_tables, lease_tables, tables, token_tables, turn_tables

_named = {
    tables.JOB.name,
    turn_tables.JOB_TURN.name,
    asset_tables.ASSET.name,
    lease_tables.WORKER.name,
    token_tables.TOKEN.name,
}
assert _named <= SQLModel.metadata.tables.keys(), "Alembic compares tables"  # noqa: S101

# Tables that only SQL of the migrations and of `models.reads` names, and what FTS5 stores.
NOT_MODELLED = ("jobtitle", "jobcount", "jobsearch")


def is_modelled(name: str | None, kind: str, _parents: object) -> bool:
    """Return whether Alembic compares an object of the database with the tables."""
    return kind != "table" or name is None or not name.startswith(NOT_MODELLED)


connection: sa.Connection = context.config.attributes["connection"]
modelled = SQLModel.metadata
if connection.dialect.name == "postgresql":
    modelled = sa.MetaData()
    for table in SQLModel.metadata.tables.values():
        copied = table.to_metadata(modelled)
        copied.indexes.clear()
        for index in table.indexes:
            left_out = index.info.get(tables.LEFT_OUT, ())
            columns = [copied.c[column.name] for column in index.columns if column.name not in left_out]
            made = sa.Index(index.name, *columns, unique=index.unique)
            # The tables name the conditions of partial indexes for SQLite only: naming them imports the dialect.
            made.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]

options: dict[str, Any] = {"target_metadata": modelled, "render_as_batch": True, "include_name": is_modelled}
context.configure(connection=connection, **options)
with context.begin_transaction():
    context.run_migrations()
