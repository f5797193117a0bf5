"""Websockets that are not authenticated yet.

Their number is limited, per client network and in all. Beyond a limit the oldest one that has sent no `connection_init`
is closed, not the newest: a regular client sends it at once, so connections that send nothing cannot keep it out. When
there are too many in all, one of the network with the most is closed, so a flood from one network affects no other.
"""

import asyncio
from collections import defaultdict
from typing import Final, Protocol

from server.transports.closing import CloseCode, try_again_later
from server.transports.connections.registry import on_closed

RETRY_SECONDS: Final = 1


class PendingConnection(Protocol):
    async def close(self, code: CloseCode, reason: str) -> None: ...


class Room:
    """The pending websockets of one client network, the oldest first."""

    def __init__(self) -> None:
        self.silent: dict[PendingConnection, None] = {}
        self.initialising: dict[PendingConnection, None] = {}

    def __len__(self) -> int:
        return len(self.silent) + len(self.initialising)

    def oldest(self) -> PendingConnection:
        """Return the oldest silent connection, or else the oldest one."""
        return next(iter(self.silent or self.initialising))


class PendingConnections:
    """The pending websockets of the process, limited per client network and in all."""

    def __init__(self, per_network: int, in_all: int) -> None:
        self._per_network = per_network
        self._in_all = in_all
        self._rooms: defaultdict[str, Room] = defaultdict(Room)
        self._networks: dict[PendingConnection, str] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._networks)

    def add(self, connection: PendingConnection, network: str) -> None:
        """Count the connection as pending until `remove`."""
        if len(self._rooms[network]) >= self._per_network:
            self._evict(self._rooms[network])
        elif len(self._networks) >= self._in_all:
            self._evict(max(self._rooms.values(), key=len))
        self._rooms[network].silent[connection] = None
        self._networks[connection] = network

    def initialise(self, connection: PendingConnection) -> None:
        """Note that the connection has sent its `connection_init`."""
        network = self._networks.get(connection)
        if network is not None:
            room = self._rooms[network]
            room.silent.pop(connection, None)
            room.initialising[connection] = None

    def remove(self, connection: PendingConnection) -> None:
        """Remove a connection that authenticated or disconnected."""
        network = self._networks.pop(connection, None)
        if network is None:
            return
        room = self._rooms[network]
        room.silent.pop(connection, None)
        room.initialising.pop(connection, None)
        if not room:
            del self._rooms[network]

    def _evict(self, room: Room) -> None:
        connection = room.oldest()
        self.remove(connection)
        refusal = try_again_later("Too many pending connections", RETRY_SECONDS)
        closing = asyncio.create_task(connection.close(refusal.code, refusal.reason))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        closing.add_done_callback(on_closed)
