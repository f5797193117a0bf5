"""The command `migrate`: migrate the database to the newest revision."""

import typer

from models import migrations
from models.db.database import Database
from server.database_setup import check_opens
from server.database_setup import migrate as migrate_database
from server.settings import Settings


async def migrate(settings: Settings) -> int:
    """Apply the missing migrations and print the revision; return the exit status. Raises WrongSettings."""
    if settings.database_url.startswith("sqlite"):
        check_opens(settings)
    database = Database(settings.database_url)
    try:
        changed = await migrate_database(database)
    finally:
        await database.close()
    typer.echo(f"{'Migrated to' if changed else 'Already at'} revision {migrations.newest()}.")
    return 0
