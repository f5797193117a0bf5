"""`migrate`: brings the database up to date."""

import typer

from models import migrations
from models.db.database import Database
from server.container import check_opens
from server.container import migrate as bring_up_to_date
from server.settings import Settings


async def migrate(settings: Settings) -> int:
    """Apply what is missing and say what was done; answers the exit status."""
    if settings.database_url.startswith("sqlite"):
        check_opens(settings)
    database = Database(settings.database_url)
    try:
        changed = await bring_up_to_date(database)
    finally:
        await database.close()
    typer.echo(f"{'Migrated to' if changed else 'Already at'} revision {migrations.newest()}.")
    return 0
