"""Reads of the database of the settings, beside the servers that use it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import typer

from models.db.database import Connection, Database
from models.domain.errors import Unavailable
from server.database.database_refusals import explained, refused_as_wrong_setting
from server.database.database_setup import check_exists, location, opened
from server.settings import PREFIX, Settings

UNAVAILABLE_STATUS = 1


@asynccontextmanager
async def moment(database: Database) -> AsyncGenerator[Connection]:
    """A connection in a transaction that shows one moment and cannot write. Raises Unavailable.

    Without the statement timeout of a server: what an operator asks for may read a whole table.
    """
    if database.embedded:
        async with database.read() as connection:
            yield connection
        return
    async with database.connect(database.maintenance) as connection:
        yield await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


async def read(settings: Settings, show: Callable[[Database], Awaitable[None]]) -> int:
    """Show something of the database; return the exit status.

    Raises WrongSettings when the database does not exist, refuses the connection, or is at another revision than this
    program.
    """
    where = location(settings.database_url)
    try:
        # A role that may connect may still lack the right to read a table.
        with refused_as_wrong_setting("DATABASE_URL", where):
            await check_exists(settings)
            database = opened(settings)
            try:
                await show(database)
            finally:
                await database.close()
    except Unavailable as error:
        typer.echo(f"scenewire: {PREFIX}DATABASE_URL: {explained(error)} Used: {where}", err=True)
        return UNAVAILABLE_STATUS
    return 0
