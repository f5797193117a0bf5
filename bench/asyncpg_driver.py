"""Connections to Postgres through asyncpg, which has no type stubs."""

import importlib
from typing import Any

_asyncpg: Any = importlib.import_module("asyncpg")


async def connect(url: str) -> Any:
    """Connect by the URL of the server."""
    return await _asyncpg.connect(url.replace("+asyncpg", ""))


async def pool(url: str, size: int) -> Any:
    """Return an open pool of this many connections."""
    return await _asyncpg.create_pool(url.replace("+asyncpg", ""), min_size=size, max_size=size)
