"""Ports for servers that take a number, and not any free port."""

import random
import socket
from contextlib import ExitStack
from typing import Final

# Below the ports that the system gives to outgoing connections, which others open meanwhile.
_LOWEST: Final = 20_000
_HIGHEST: Final = 32_000


def free_port(following: int = 0) -> int:
    """Return a port of loopback that nothing listens on, nor on those that follow it."""
    while True:
        first = random.randrange(_LOWEST, _HIGHEST)
        try:
            with ExitStack() as probes:
                for port in range(first, first + following + 1):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
