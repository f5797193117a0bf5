"""One connection to Postgres that listens, and is made again whenever it is lost.

asyncpg re-makes nothing by itself, and drops a connection that nobody refers to; what was notified while it was away is
lost, which is why everybody who listens here is told each time it is up again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none; what is used of it is typed below

from coordinator.bus.waiting import until_set

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
PROBE_SECONDS = 1.0
ANSWER_SECONDS = 1.5

Callback = Callable[[str], None]
# What a lost or refused connection looks like; the internal error is asyncpg's when it is lost at an awkward moment.
LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class RawConnection(Protocol):
    """What is used of asyncpg's connection."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str: ...
    async def add_listener(self, channel: str, callback: Callable[[object, int, str, object], None]) -> None: ...
    def add_termination_listener(self, callback: Callable[[object], None]) -> None: ...
    def terminate(self) -> None: ...


_connect = cast("Callable[..., Awaitable[RawConnection]]", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType]


class Listener:
    """Hands the payloads of each channel to its callbacks."""

    def __init__(self, connect_arguments: Mapping[str, Any]) -> None:
        self._connect_arguments = connect_arguments
        self._callbacks: dict[str, list[Callback]] = {}
        self._when_up: list[Callable[[], None]] = []
        # The only reference that keeps asyncpg's connection, and with it its listeners, alive.
        self._connection: RawConnection | None = None
        self._using = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether notifications arrive just now."""
        return self._connection is not None

    async def start(self) -> None:
        """Connect, and stay connected from now on."""
        if self._task is None:
            self._task = asyncio.create_task(self._stay(), name="listener")

    async def stop(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def listen(self, channel: str, callback: Callback) -> Callable[[], None]:
        """Call back with each payload of the channel from now on; the answer stops that."""
        known = channel in self._callbacks
        callbacks = self._callbacks.setdefault(channel, [])
        callbacks.append(callback)
        if not known and self._connection is not None:
            async with self._using:
                await self._connection.add_listener(channel, self._heard)
        return lambda: callbacks.remove(callback)

    def when_up(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back each time the connection was made, the first time included; the answer stops that."""
        self._when_up.append(callback)
        return lambda: self._when_up.remove(callback)

    async def notify(self, channel: str, payload: str) -> None:
        """Send a payload. Raises ConnectionError when there is no connection, or what asyncpg raises."""
        if self._connection is None:
            raise ConnectionError("not connected")
        async with self._using:
            await self._connection.execute("SELECT pg_notify($1, $2)", channel, payload, timeout=ANSWER_SECONDS)

    async def _stay(self) -> None:
        complained = False
        while True:
            try:
                connection = await _connect(**self._connect_arguments)
                complained = False
                await self._attend(connection)
            except LOST as error:
                if not complained:
                    log.warning("listener is down: %s", error or type(error), extra={"action": "listener.down"})
                complained = True
            except Exception:
                log.exception("listener is down", extra={"action": "listener.defect"})
            await asyncio.sleep(RETRY_SECONDS)

    async def _attend(self, connection: RawConnection) -> None:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection: lost.set())
        try:
            heard: set[str] = set()
            while unheard := self._callbacks.keys() - heard:
                for channel in unheard:
                    await connection.add_listener(channel, self._heard)
                heard |= unheard
            self._connection = connection
            log.info("listener is up", extra={"action": "listener.up"})
            for callback in tuple(self._when_up):
                callback()
            while not lost.is_set():
                await until_set(lost, PROBE_SECONDS)
                # A connection that was cut without a word looks alive until something is asked of it.
                async with self._using:
                    await connection.execute("SELECT 1", timeout=ANSWER_SECONDS)
        finally:
            self._connection = None
            connection.terminate()

    def _heard(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        for callback in tuple(self._callbacks.get(channel, ())):
            try:
                callback(str(payload))
            except Exception:
                log.exception("a notification was not understood", extra={"action": "listener.payload"})
