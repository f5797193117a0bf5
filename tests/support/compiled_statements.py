"""One cache of compiled statements for all engines of a test process.

SQLAlchemy keeps one for each engine, so every new server of a test would compile the statements of the product again.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Dialect
from sqlalchemy.util import LRUCache

# More than the product and the tests have, so that nothing is compiled twice.
STATEMENTS = 5_000


class CompiledStatements:
    """Compiled statements by SQLAlchemy's key, in which equal dialects of two engines are the same."""

    def __init__(self) -> None:
        self._compiled: LRUCache[Any, Any] = LRUCache(STATEMENTS)

    def get(self, key: tuple[Any, ...]) -> Any:
        """Return the compiled statement, or None."""
        return self._compiled.get(_shared(key))

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        self._compiled[_shared(key)] = compiled


def share_compiled_statements() -> None:
    """Let all engines that connect from now on use one cache."""
    cache = CompiledStatements()

    def connected(connection: sa.Connection) -> None:
        connection.execution_options(compiled_cache=cache)

    event.listen(sa.Engine, "engine_connect", connected)


def _shared(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect: Dialect = key[0]
    # A compiled statement keeps the functions that convert its values.
    return (dialect.name, dialect.driver, getattr(dialect, "_json_deserializer", None), *key[1:])
