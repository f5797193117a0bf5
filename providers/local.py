"""Real clips made on this machine: an animated picture of the prompt, rendered in a process of its own."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence

from providers.port import Failure, Order, Progress, Rendered
from providers.render import wire
from providers.render.child import Child

logger = logging.getLogger(__name__)

SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 60.0
SMALLEST_SIDE, LARGEST_SIDE = 64, 4096
PROGRAM = ("-m", "providers.render")


class LocalProvider:
    """Renders at one size, in pixels; a render that takes longer than the deadline, in seconds, is killed.

    `program` is what the rendering process runs, as arguments to this interpreter. Raises ValueError for a size that
    yuv420p does not have (odd) or that is outside 64..4096, and for a deadline that is not positive.
    """

    name = "local"

    def __init__(
        self,
        width: int = 1280,
        height: int = 720,
        *,
        deadline_seconds: float = 600.0,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        if not (_renderable(width) and _renderable(height)):
            raise ValueError(
                f"{width}x{height}: both sides must be even and within {SMALLEST_SIDE}..{LARGEST_SIDE} pixels"
            )
        if not deadline_seconds > 0:
            raise ValueError(f"a deadline of {deadline_seconds} seconds leaves no time to render")
        self._width = width
        self._height = height
        self._deadline_seconds = deadline_seconds
        self._program = tuple(program)
        self._children: dict[Child, Failure | None] = {}

    async def submit(self, order: Order) -> str:
        """Accept the order; nothing runs until it is followed."""
        _check(order)
        return f"local-{order.key}"

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered, None]:
        """Render the clip from its start, even if a dead process had rendered some of it."""
        _check(order)
        until = asyncio.get_running_loop().time() + self._deadline_seconds
        try:
            async with Child(provider_id, self._program) as child:
                self._children[child] = None
                try:
                    await child.tell(self._ticket(order).line())
                    while isinstance(step := await self._next(child, order, until), Progress):
                        yield step
                finally:
                    del self._children[child]
        except OSError as error:
            logger.exception("Cannot render %s", provider_id, extra={"action": "render_not_started"})
            raise Failure("RENDER_UNAVAILABLE", "The renderer cannot be started.", retryable=True) from error
        yield step

    async def cancel(self, provider_id: str) -> None:
        """Kill the order's render, if one runs here."""
        wanted = Failure("CANCELED", "The render was canceled.", retryable=False)
        self._abandon([child for child in self._children if child.name == provider_id], wanted)

    async def close(self) -> None:
        """Kill every render."""
        self._abandon(list(self._children), Failure("INTERRUPTED", "The renderer was shut down.", retryable=True))

    def _abandon(self, children: Sequence[Child], why: Failure) -> None:
        for child in children:
            self._children[child] = why
            child.kill()

    def _ticket(self, order: Order) -> wire.Ticket:
        return wire.Ticket(
            prompt=order.prompt,
            title=order.title,
            number=order.number,
            duration_seconds=order.duration_seconds,
            width=self._width,
            height=self._height,
            workdir=str(order.workdir.absolute()),
        )

    async def _next(self, child: Child, order: Order, until: float) -> Progress | Rendered:
        try:
            async with asyncio.timeout_at(until):
                line = await child.hear()
        except TimeoutError as error:
            message = f"The render took longer than {self._deadline_seconds:g} seconds."
            logger.error("Killing %s: %s", child.name, message, extra={"action": "render_timed_out"})
            raise Failure("RENDER_TIMEOUT", message, retryable=True) from error
        if line is None:
            raise self._children[child] or await _crashed(child)
        return wire.report(line, order.workdir)


async def _crashed(child: Child) -> Failure:
    status, errors = await child.ended()
    logger.error(
        "The rendering process of %s ended with status %s:\n%s",
        child.name,
        status,
        errors,
        extra={"action": "render_crashed", "status": status},
    )
    return Failure("RENDER_CRASHED", "The renderer stopped unexpectedly.", retryable=True)


def _check(order: Order) -> None:
    if not SHORTEST_SECONDS <= order.duration_seconds <= LONGEST_SECONDS:
        message = f"A clip lasts {SHORTEST_SECONDS:g} to {LONGEST_SECONDS:g} seconds."
        raise Failure("INVALID_DURATION", message, retryable=False)


def _renderable(side: int) -> bool:
    return side % 2 == 0 and SMALLEST_SIDE <= side <= LARGEST_SIDE
