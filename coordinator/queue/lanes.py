"""Lanes: renders, adoptions of clips and assemblies are queued and limited apart.

A worker joins clips beside its renders: so an assembly takes the place of no render, which may cost money by the
minute, and waits for none. It joins one job that takes long and one that does not at once: a long join stops no short
one.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeVar, assert_never

from coordinator.queue.port import Assembler, Concurrency, Handler
from models.domain.access import EXTERNAL, LEASED
from models.writes.change import Assembly, Ticket, Work

Name = TypeVar("Name", bound=str)
T = TypeVar("T")
ASSEMBLY, LONG_ASSEMBLY = "assembly", "assembly.long"
# Joining without re-encoding takes about a second; more at once would only compete for the cores.
ASSEMBLIES_AT_ONCE = 2
# Clips of workers outside the server that a process fetches: they wait for other people's servers, not for the cores.
ADOPTIONS_AT_ONCE = 4


class Solo:
    """Entrypoints of which this process runs one job at a time; PgQueuer's own limits are those of all processes."""

    def __init__(self, *entrypoints: str) -> None:
        self._entrypoints = frozenset(entrypoints)
        self._running = set[str]()

    def free(self, entrypoints: Mapping[Name, T]) -> dict[Name, T]:
        """Return the entrypoints from which another job may be taken."""
        return {name: each for name, each in entrypoints.items() if name not in self._running}

    def begin(self, entrypoint: str) -> None:
        """Note that a job was taken from an entrypoint."""
        if entrypoint in self._entrypoints:
            self._running.add(entrypoint)

    def end(self, entrypoint: str) -> None:
        """Note that the job of an entrypoint is done."""
        self._running.discard(entrypoint)


class Lane(NamedTuple):
    """The work of one PgQueuer manager: the limit of each entrypoint (0: none), the limit of all, and the handler."""

    limits: Mapping[str, int]
    at_once: int
    handle: Callable[[bytes | None], Awaitable[None]]
    solo: Solo


def render_lane(concurrency: Concurrency, handler: Handler) -> Lane:
    """Return the lane of renders: one entrypoint per provider, so that each can have its own limit."""
    limits = {_render_entrypoint(provider): limit for provider, limit in concurrency.of_provider.items()}
    return Lane(limits, concurrency.here, _handle_tickets(handler), Solo())


def adoption_lane(handler: Handler) -> Lane:
    """Return the lane of clips that others have made (external, leased), which take no render's place."""
    limits = {_render_entrypoint(provider): 0 for provider in (EXTERNAL, LEASED)}
    return Lane(limits, ADOPTIONS_AT_ONCE, _handle_tickets(handler), Solo())


def assembly_lane(assembler: Assembler) -> Lane:
    """Return the lane of assemblies."""

    def handle(payload: bytes | None) -> Awaitable[None]:
        return assembler(Assembly(*json.loads(payload or b"[]")))

    return Lane({ASSEMBLY: 0, LONG_ASSEMBLY: 0}, ASSEMBLIES_AT_ONCE, handle, Solo(ASSEMBLY, LONG_ASSEMBLY))


def route(work: Work) -> tuple[str, int]:
    """Return the entrypoint and the priority under which work is queued."""
    match work:
        case Ticket():
            return _render_entrypoint(work.provider), work.priority
        case Assembly():
            return LONG_ASSEMBLY if work.long else ASSEMBLY, work.priority
        case _:
            assert_never(work)


def encode(work: Work) -> bytes:
    """Return work as the payload of a queued job."""
    return json.dumps(work).encode()


def _handle_tickets(handler: Handler) -> Callable[[bytes | None], Awaitable[None]]:
    def handle(payload: bytes | None) -> Awaitable[None]:
        return handler(Ticket(*json.loads(payload or b"[]")))

    return handle


def _render_entrypoint(provider: str) -> str:
    return f"render.{provider}"
