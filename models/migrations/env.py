"""The entry point of Alembic, which runs migrations on the connection of the configuration."""

from typing import Any

import sqlalchemy as sa
from alembic import context
from sqlmodel import SQLModel

from models.db import tables

assert tables.JOB is not None, "the tables must be registered before Alembic compares them"  # noqa: S101

connection: sa.Connection = context.config.attributes["connection"]
options: dict[str, Any] = {"target_metadata": SQLModel.metadata, "render_as_batch": True}
context.configure(connection=connection, **options)
with context.begin_transaction():
    context.run_migrations()
