"""The connections of the queue: a pool of asyncpg in which no error of a release is left without an owner.

asyncpg shields the release of a connection from the cancellation of its caller. When that release then fails, because
the connection is lost or the pool terminated, no task awaits it, and asyncio logs an error. Written for asyncpg 0.32.
"""

import asyncio
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none


class ConnectionPool(asyncpg.Pool):
    """A pool that opens connections as they are needed; `await` it before use."""

    def __init__(self, max_size: int, **connect_arguments: Any) -> None:
        # The defaults of asyncpg.create_pool, but for the sizes.
        super().__init__(  # pyright: ignore[reportUnknownMemberType] # untyped
            min_size=0,
            max_size=max_size,
            max_queries=50_000,
            max_inactive_connection_lifetime=300.0,
            loop=None,
            connection_class=asyncpg.Connection,
            record_class=asyncpg.Record,
            **connect_arguments,
        )

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:
        """Release a connection; the release goes on when the caller is cancelled."""
        release = super().release(connection, timeout=timeout)  # pyright: ignore[reportUnknownMemberType] # untyped
        releasing = asyncio.ensure_future(release)
        releasing.add_done_callback(_retrieve)
        await asyncio.shield(releasing)


def _retrieve(releasing: asyncio.Future[None]) -> None:
    """Mark an error as seen: the connection is closed, and the pool opens another."""
    if not releasing.cancelled():
        releasing.exception()
