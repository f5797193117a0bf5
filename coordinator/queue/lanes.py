"""Lanes: renders and assemblies are queued and limited apart.

A worker joins clips, one job at a time, beside its renders. So an assembly takes the place of no render, which may cost
money by the minute, and waits for none.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, assert_never

from coordinator.queue.port import Assembler, Concurrency, Handler
from models.writes.change import Assembly, Ticket, Work

ASSEMBLY = "assembly"
# Joining without re-encoding takes about a second; more at once would only compete for the cores.
ASSEMBLIES_AT_ONCE = 1


class Lane(NamedTuple):
    """The work of one PgQueuer manager: the limit of each entrypoint (0: none), the limit of all, and the handler."""

    limits: Mapping[str, int]
    at_once: int
    handle: Callable[[bytes | None], Awaitable[None]]


def render_lane(concurrency: Concurrency, handler: Handler) -> Lane:
    """Return the lane of renders: one entrypoint per provider, so that each can have its own limit."""
    limits = {_render_entrypoint(provider): limit for provider, limit in concurrency.of_provider.items()}

    def handle(payload: bytes | None) -> Awaitable[None]:
        return handler(Ticket(*json.loads(payload or b"[]")))

    return Lane(limits, concurrency.here, handle)


def assembly_lane(assembler: Assembler) -> Lane:
    """Return the lane of assemblies."""

    def handle(payload: bytes | None) -> Awaitable[None]:
        return assembler(Assembly(*json.loads(payload or b"[]")))

    return Lane({ASSEMBLY: 0}, ASSEMBLIES_AT_ONCE, handle)


def route(work: Work) -> tuple[str, int]:
    """Return the entrypoint and the priority under which work is queued."""
    match work:
        case Ticket():
            return _render_entrypoint(work.provider), work.priority
        case Assembly():
            return ASSEMBLY, 0
        case _:
            assert_never(work)


def encode(work: Work) -> bytes:
    """Return work as the payload of a queued job."""
    return json.dumps(work).encode()


def _render_entrypoint(provider: str) -> str:
    return f"render.{provider}"
