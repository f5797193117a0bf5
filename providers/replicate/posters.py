"""The poster and preview of a downloaded clip, made in a separate process, because it decodes an untrusted file."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from pathlib import Path

from providers.port import Asset, Progress, Rendered
from providers.render import wire
from providers.render.child import Child
from providers.replicate.downloads import Clip

log = logging.getLogger(__name__)

PROGRAM = ("-m", "providers.replicate.illustrate")
DEADLINE_SECONDS = 60.0


async def illustrated(clip: Clip, folder: Path) -> AsyncGenerator[Progress | Rendered, None]:
    """Yield a frame of the clip, then the clip with poster and preview; without them when it cannot be decoded."""
    ticket = json.dumps({"clip": str(clip.path), "content_type": clip.content_type}).encode() + b"\n"
    deadline = asyncio.get_running_loop().time() + DEADLINE_SECONDS
    rendered = Rendered(Asset(clip.path, clip.content_type))
    try:
        async with Child(clip.path.name, PROGRAM) as child:
            await child.write_line(ticket)
            while isinstance(step := await _next(child, folder, deadline), Progress):
                yield step
            rendered = step or rendered
    except (OSError, TimeoutError, ValueError):
        log.warning("a clip has no poster", exc_info=True, extra={"action": "replicate.no_poster"})
    yield rendered


async def _next(child: Child, folder: Path, deadline: float) -> Progress | Rendered | None:
    async with asyncio.timeout_at(deadline):
        line = await child.read_line()
    if line is not None:
        return wire.report(line, folder)
    _, errors = await child.wait()
    log.warning("a clip cannot be decoded:\n%s", errors, extra={"action": "replicate.no_poster"})
    return None
