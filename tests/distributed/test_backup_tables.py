"""The tables that a backup copies: all of them but those that a restore derives."""

import pytest

from models.db.database import Connection, Database
from server.backup.snapshot import DERIVED, QUEUE_PREFIX, modelled_tables
from tests.support.postgres import Databases

pytestmark = pytest.mark.both_databases


async def test_every_table_is_copied_or_made_again(postgres: Databases) -> None:
    """And no table that is copied takes numbers from a sequence, which a restore would have to set."""
    with postgres.fresh() as url:
        database = Database(url)
        async with database.read() as connection:
            tables = await names(connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            sequences = await names(connection, "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'")
        await database.close()
    assert tables == {table.name for table in modelled_tables()} | DERIVED | of_queue(tables)
    assert sequences - of_queue(sequences) == {"jobcount_part_seq"}


async def names(connection: Connection, query: str) -> set[str]:
    """Return the first column of a query."""
    return {str(name) for (name,) in await connection.exec_driver_sql(query)}


def of_queue(found: set[str]) -> set[str]:
    """Return the names that belong to PgQueuer."""
    return {name for name in found if name.startswith(QUEUE_PREFIX)}
