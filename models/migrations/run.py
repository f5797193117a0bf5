"""Runs Alembic on a connection, without an ini file."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


def config(connection: sa.Connection) -> Config:
    """Return the Alembic configuration for this connection."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    return settings


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Apply the missing migrations up to a revision."""
    command.upgrade(config(connection), revision)


def downgrade(connection: sa.Connection, revision: str) -> None:
    """Undo the migrations after a revision. Raises NotImplementedError for one without a downgrade."""
    command.downgrade(config(connection), revision)


def revise(connection: sa.Connection, message: str, revision: str) -> None:
    """Write a new migration from the differences between the tables and the database."""
    command.revision(config(connection), message, autogenerate=True, rev_id=revision)
