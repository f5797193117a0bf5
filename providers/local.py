"""The provider `local`: renders an animated picture of the prompt on this machine, in a separate process."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from providers import local_model, local_order
from providers.catalogue import Model
from providers.clips.encoding import VideoCodec
from providers.local_check import drawn
from providers.local_model import Size
from providers.port import Failure, Order, Progress, Rendered
from providers.render import wire
from providers.render.child import Child

logger = logging.getLogger(__name__)

SMALLEST_SIDE, LARGEST_SIDE = 64, 4096
PROGRAM = ("-m", "providers.render")


class LocalProvider:
    """Renders clips; `width` and `height`, in pixels, are for orders that name neither aspect ratio nor resolution.

    A render that exceeds the deadline, in seconds, is killed. `program` is the rendering process, as arguments of this
    interpreter. Raises ValueError for a size that is odd (yuv420p) or outside 64..4096, and for a deadline that is not
    positive.
    """

    name = "local"

    def __init__(
        self,
        width: int = 1280,
        height: int = 720,
        *,
        codec: VideoCodec = VideoCodec.H264,
        deadline_seconds: float = 600.0,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        if not (_renderable(width) and _renderable(height)):
            raise ValueError(
                f"{width}x{height}: both sides must be even and within {SMALLEST_SIDE}..{LARGEST_SIDE} pixels"
            )
        if not deadline_seconds > 0:
            raise ValueError(f"a deadline of {deadline_seconds} seconds leaves no time to render")
        self._size = Size(width, height)
        self._model = local_model.model(self._size)
        self._codec = codec
        self._deadline_seconds = deadline_seconds
        self._program = tuple(program)
        self._children: dict[Child, Failure | None] = {}

    async def models(self) -> Sequence[Model]:
        """Return the only model."""
        return (self._model,)

    async def submit(self, order: Order) -> str:
        """Accept the order; the render starts when it is followed."""
        local_order.check(order, self._size)
        return f"local-{order.key}"

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered, None]:
        """Render the clip from its start; a render by a dead process is not resumed."""
        local_order.check(order, self._size)
        ticket = replace(await local_order.ticket(order, self._size), codec=self._codec)
        deadline = asyncio.get_running_loop().time() + self._deadline_seconds
        try:
            async with Child(provider_id, self._program) as child:
                self._children[child] = None
                try:
                    await child.write_line(ticket.line())
                    while isinstance(step := await self._next(child, order, deadline), Progress):
                        yield step
                finally:
                    del self._children[child]
        except OSError as error:
            logger.exception("Cannot render %s", provider_id, extra={"action": "render.not_started"})
            raise Failure("RENDER_UNAVAILABLE", "The renderer cannot be started.", retryable=True) from error
        made = replace(
            step.made,
            settings=local_order.made_with(order, self._size),
            ignored=local_order.ignored(order),
        )
        yield replace(step, made=made)

    async def cancel(self, provider_id: str) -> None:
        """Kill the render of the order, if it runs in this server."""
        canceled = Failure("CANCELED", "The render was canceled.", retryable=False)
        self._kill([child for child in self._children if child.name == provider_id], canceled)

    async def check(self) -> str:
        """Draw a short clip. Raises Failure."""
        return await drawn(self)

    async def close(self) -> None:
        """Kill all renders."""
        self._kill(list(self._children), Failure("INTERRUPTED", "The renderer was shut down.", retryable=True))

    def _kill(self, children: Sequence[Child], failure: Failure) -> None:
        for child in children:
            self._children[child] = failure
            child.kill()

    async def _next(self, child: Child, order: Order, deadline: float) -> Progress | Rendered:
        try:
            async with asyncio.timeout_at(deadline):
                line = await child.read_line()
        except TimeoutError as error:
            message = f"The render took longer than {self._deadline_seconds:g} seconds."
            logger.error("Killing %s: %s", child.name, message, extra={"action": "render.timed_out"})
            raise Failure("RENDER_TIMEOUT", message, retryable=True) from error
        if line is None:
            raise self._children[child] or await _crashed(child)
        return wire.report(line, order.workdir)


async def _crashed(child: Child) -> Failure:
    status, errors = await child.wait()
    logger.error(
        "The rendering process of %s ended with status %s:\n%s",
        child.name,
        status,
        errors,
        extra={"action": "render.crashed", "status": status},
    )
    return Failure("RENDER_CRASHED", "The renderer stopped unexpectedly.", retryable=True)


def _renderable(side: int) -> bool:
    return side % 2 == 0 and SMALLEST_SIDE <= side <= LARGEST_SIDE
