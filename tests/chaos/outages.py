"""Outages: the server is killed as by a power cut, and started again."""

import asyncio
import random
import socket

from tests.chaos.board import Board
from tests.support.server_process import ServerProcess

# Below what Linux hands out to clients: while nobody listens, one that dials again and again could otherwise be given
# the very port that it dials, and would then talk to itself.
PORTS = range(20_000, 32_000)


def free_port(chance: random.Random) -> int:
    """A port that nobody listens on."""
    while True:
        port = chance.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Outages:
    """So many kills in so many seconds of work."""

    def __init__(self, server: ServerProcess, board: Board, seconds: float, kills: int) -> None:
        self._server = server
        self._board = board
        self._seconds = seconds
        self._kills = kills

    async def happen(self, chance: random.Random) -> None:
        """Kill at any instant, also soon after a start."""
        instants = sorted(chance.uniform(0, self._seconds) for _ in range(self._kills))
        before = 0.0
        for instant in instants:
            await asyncio.sleep(instant - before)
            await self._outage()
            before = instant
        await asyncio.sleep(self._seconds - before)

    async def _outage(self) -> None:
        self._board.outages += 1
        self._board.down = True
        self._server.kill()
        await asyncio.to_thread(self._server.start)
        self._board.outages += 1
        self._board.down = False
        self._board.amounts["kills"] += 1
