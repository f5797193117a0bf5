"""The command `migrate`: migrate the database to the newest revision, or to one that is named."""

import typer

from models import migrations
from models.domain.errors import Unavailable
from server.database.database_refusals import explained
from server.database.database_setup import check_opens, opened
from server.database.database_setup import migrate as migrate_database
from server.settings import Settings, WrongSettings

UNAVAILABLE_STATUS = 1


async def migrate(settings: Settings, revision: str | None = None) -> int:
    """Upgrade or downgrade the database, by default to the newest revision; return the exit status.

    Raises WrongSettings for an unknown revision, for a database that cannot be opened or is of a newer program, and
    for a migration without a downgrade.
    """
    if revision is not None and revision not in migrations.known():
        raise WrongSettings(f"--to: {revision!r} is not a revision; the revisions are {', '.join(migrations.known())}")
    if settings.database_url.startswith("sqlite"):
        check_opens(settings)
    database = opened(settings)
    try:
        changed = await migrate_database(database, revision)
    except NotImplementedError as error:
        raise WrongSettings(f"--to: a migration after {revision} has no downgrade: {error}") from error
    except Unavailable as error:
        typer.echo(f"scenewire: SCENEWIRE_DATABASE_URL: {explained(error)}", err=True)
        return UNAVAILABLE_STATUS
    finally:
        await database.close()
    typer.echo(f"{'Migrated to' if changed else 'Already at'} revision {revision or migrations.newest()}.")
    return 0
