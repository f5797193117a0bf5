"""A Postgres connection that listens, and reconnects whenever it is lost.

asyncpg never reconnects by itself, and drops a connection without references. Notifications sent while the connection
is down are lost, so listeners are called back after each reconnect.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Protocol, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none; what is used of it is typed below

from coordinator.retrying import RETRY_SECONDS, until_set
from coordinator.tasks import Tasks
from models.db.cancellation import raise_if_cancelled

log = logging.getLogger(__name__)

PROBE_SECONDS = 1.0
TIMEOUT_SECONDS = 1.5

# Timeout of the notification that is sent to test whether notifications arrive.
TRIAL_SECONDS = 3.0

Callback = Callable[[str], None]
# The errors of a lost or refused connection; the internal one is raised when it is lost in the middle of the protocol.
LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class RawConnection(Protocol):
    """The methods of asyncpg's connection that are used here."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str: ...
    async def add_listener(self, channel: str, callback: Callable[[object, int, str, object], None]) -> None: ...
    def add_termination_listener(self, callback: Callable[[object], None]) -> None: ...
    def terminate(self) -> None: ...


_connect = cast("Callable[..., Awaitable[RawConnection]]", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType]


async def receives_notifications(connect_arguments: Mapping[str, Any]) -> bool:
    """Return whether a connection with these arguments receives notifications while it is idle. Raises one of LOST.

    Behind a pooler that shares sessions between transactions (transaction pooling of PgBouncer) it does not.
    """
    channel = f"scenewire_trial_{uuid.uuid4().hex}"
    received = asyncio.Event()
    async with AsyncExitStack() as stack:
        listening, sending = [await _connect_in(stack, connect_arguments) for _ in range(2)]
        await listening.add_listener(channel, lambda _connection, _pid, _channel, _payload: received.set())
        await sending.execute(f"NOTIFY {channel}", timeout=TIMEOUT_SECONDS)
        await until_set(received, TRIAL_SECONDS)
    return received.is_set()


async def _connect_in(stack: AsyncExitStack, connect_arguments: Mapping[str, Any]) -> RawConnection:
    connection = await _connect(**connect_arguments)
    stack.callback(connection.terminate)
    return connection


class Listener:
    """Passes the payloads of each channel to its callbacks."""

    def __init__(self, connect_arguments: Mapping[str, Any]) -> None:
        self._connect_arguments = connect_arguments
        self._callbacks: dict[str, list[Callback]] = {}
        self._when_up: list[Callable[[], None]] = []
        # The only reference that keeps asyncpg's connection, and with it its listeners, alive.
        self._connection: RawConnection | None = None
        self._connection_lock = asyncio.Lock()
        self._tasks = Tasks("listener")

    @property
    def up(self) -> bool:
        """Whether the connection is established."""
        return self._connection is not None

    async def start(self) -> None:
        """Connect in the background, and reconnect until stopped."""
        if not self._tasks:
            self._tasks.start(self._stay_connected())

    async def stop(self) -> None:
        """Disconnect."""
        await self._tasks.stop()

    async def listen(self, channel: str, callback: Callback) -> Callable[[], None]:
        """Call `callback` with each payload of the channel from now on; returns a function that stops it."""
        known = channel in self._callbacks
        callbacks = self._callbacks.setdefault(channel, [])
        callbacks.append(callback)
        if not known:
            async with self._connection_lock:
                # The connection may have been lost while another statement was executed.
                if self._connection is not None:
                    await self._connection.add_listener(channel, self._on_notification)
        return lambda: callbacks.remove(callback)

    def when_up(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after every connect, the first included; returns a function that stops it."""
        self._when_up.append(callback)
        return lambda: self._when_up.remove(callback)

    async def notify(self, channel: str, payload: str) -> None:
        """Send a payload. Raises ConnectionError when there is no connection, or what asyncpg raises."""
        async with self._connection_lock:
            # The connection may have been lost while another statement was executed.
            if self._connection is None:
                raise ConnectionError("not connected")
            await self._connection.execute("SELECT pg_notify($1, $2)", channel, payload, timeout=TIMEOUT_SECONDS)

    async def _stay_connected(self) -> None:
        logged = False
        while True:
            try:
                connection = await _connect(**self._connect_arguments)
                logged = False
                await self._serve(connection)
            except LOST as error:
                raise_if_cancelled(error)
                if not logged:
                    log.warning("listener is down: %r", error, extra={"action": "listener.down"})
                logged = True
            except Exception as error:
                raise_if_cancelled(error)
                log.exception("listener is down", extra={"action": "listener.defect"})
            await asyncio.sleep(RETRY_SECONDS)

    async def _serve(self, connection: RawConnection) -> None:
        """Listen on the connection until it is lost. Raises one of LOST."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection: lost.set())
        try:
            await self._add_listeners(connection)
            self._connection = connection
            log.info("listener is up", extra={"action": "listener.up"})
            for callback in tuple(self._when_up):
                callback()
            while not lost.is_set():
                await until_set(lost, PROBE_SECONDS)
                # A connection that the network dropped silently looks alive until it is used.
                async with self._connection_lock:
                    await connection.execute("SELECT 1", timeout=TIMEOUT_SECONDS)
        finally:
            self._connection = None
            connection.terminate()

    async def _add_listeners(self, connection: RawConnection) -> None:
        added: set[str] = set()
        # `listen` may add a channel meanwhile.
        while missing := self._callbacks.keys() - added:
            for channel in missing:
                await connection.add_listener(channel, self._on_notification)
            added |= missing

    def _on_notification(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        for callback in tuple(self._callbacks.get(channel, ())):
            try:
                callback(str(payload))
            except Exception:
                log.exception("invalid notification", extra={"action": "listener.payload"})
