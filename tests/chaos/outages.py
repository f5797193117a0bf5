"""Outages: the server is killed with SIGKILL, and started again."""

import asyncio
import random
import socket

from tests.chaos.shared_state import SharedState
from tests.support.server_process import ServerProcess

# Below the ephemeral ports of Linux: while the server is down, a client that connects again and again could get the
# port itself as its source port, and would be connected to itself.
PORTS = range(20_000, 32_000)


def free_port(random_source: random.Random) -> int:
    """Return a port on which no process listens."""
    while True:
        port = random_source.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Outages:
    """Kills at random instants of the seconds in which the server is up."""

    def __init__(self, server: ServerProcess, shared: SharedState, seconds: float, kills: int) -> None:
        self._server = server
        self._shared = shared
        self._seconds = seconds
        self._kills = kills

    async def run(self, random_source: random.Random) -> None:
        """Kill at any instant, also soon after a start."""
        instants = sorted(random_source.uniform(0, self._seconds) for _ in range(self._kills))
        before = 0.0
        for instant in instants:
            await asyncio.sleep(instant - before)
            await self._outage()
            before = instant
        await asyncio.sleep(self._seconds - before)

    async def _outage(self) -> None:
        self._shared.outages += 1
        self._shared.down = True
        self._server.kill()
        await asyncio.to_thread(self._server.start)
        self._shared.outages += 1
        self._shared.down = False
        self._shared.amounts["kills"] += 1
