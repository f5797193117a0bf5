"""Connection poolers in front of Postgres, such as PgBouncer: how one is recognised, and what differs behind one.

A pooler may give every transaction of a connection to another session of Postgres (transaction pooling), so nothing may
outlive a transaction: no prepared statement, no parameter of the session, no LISTEN, no advisory lock. It also refuses
parameters at the start of a connection.
"""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

from models.lazy_import import lazily

CLOSE_SECONDS = 1.0
# asyncpg then uses the unnamed statement, which leaves nothing behind in the session:
# https://docs.sqlalchemy.org/en/21/dialects/postgresql.html#prepared-statement-name-with-pgbouncer
WITHOUT_CACHES: Mapping[str, Any] = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}

asyncpg: Any = lazily("asyncpg")  # it has no type stubs


class Pooler:
    """Detects, before the first connection to an address is made, whether a pooler is there."""

    def __init__(self, connect_arguments: Mapping[str, Any]) -> None:
        self._connect_arguments = connect_arguments
        self._present: bool | None = None

    @property
    def known_present(self) -> bool:
        """Whether `present` has found a pooler."""
        return self._present is True

    async def present(self) -> bool:
        """Connect once, and return whether a pooler answered. Raises what asyncpg raises.

        A pooler invents the process id that clients use to cancel a statement, so it differs from the backend's id.
        """
        if self._present is None:
            connection = await asyncpg.connect(**self._connect_arguments, statement_cache_size=0)
            try:
                # In a transaction, or the two messages of one query could reach two sessions.
                async with connection.transaction():
                    backend = await connection.fetchval("SELECT pg_backend_pid()")
                self._present = bool(backend != connection.get_server_pid())
                await connection.close(timeout=CLOSE_SECONDS)
            finally:
                connection.terminate()
        return self._present


def prepare_for_pooler(engine: AsyncEngine, pooler: Pooler, parameters: Mapping[str, str]) -> None:
    """Set parameters of Postgres for every session of the engine; behind a pooler, for every transaction."""
    dialect: Any = engine.dialect
    for name in ("setup_asyncpg_json_codec", "setup_asyncpg_jsonb_codec"):
        setattr(dialect, name, _in_transaction(getattr(dialect, name), pooler))

    def connect(
        dialect: Dialect, _record: ConnectionPoolEntry, positional: tuple[Any, ...], named: dict[str, Any]
    ) -> DBAPIConnection:
        if await_only(pooler.present()):
            return dialect.connect(*positional, **named, **WITHOUT_CACHES)
        server_settings = named.get("server_settings", {}) | parameters
        return dialect.connect(*positional, **named | {"server_settings": server_settings})

    def begin(connection: sa.Connection) -> None:
        if settings := settings_of_transaction(pooler, parameters):
            connection.exec_driver_sql(settings)

    event.listen(engine.sync_engine, "do_connect", connect)
    event.listen(engine.sync_engine, "begin", begin)


def settings_of_transaction(pooler: Pooler, parameters: Mapping[str, str]) -> str:
    """Return the statement that sets parameters for a transaction; none without a pooler: the session has them."""
    if not pooler.known_present:
        return ""
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in parameters.items())


def _in_transaction(setup: Callable[[Any], Any], pooler: Pooler) -> Callable[[Any], Any]:
    """Return a set-up step of SQLAlchemy, which reads the catalog, so that it runs in a transaction behind a pooler."""

    async def run(connection: Any) -> None:
        if pooler.known_present:
            async with connection.driver_connection.transaction():
                await setup(connection)
        else:
            await setup(connection)

    return run
