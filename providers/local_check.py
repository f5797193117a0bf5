"""A short clip, drawn to find out whether this machine can: by the process, fonts and encoder of orders."""

import tempfile
import time
from contextlib import aclosing
from pathlib import Path

from providers.catalogue import Resolution, Settings
from providers.local_model import SHORTEST_SECONDS
from providers.port import Failure, Order, Provider, Rendered

# Latin, Arabic and Chinese.
CAPTION = "Scenewire سلام 你好"


async def drawn(provider: Provider) -> str:
    """Return how long the clip took. Raises Failure, also when it cannot be written."""
    try:
        with tempfile.TemporaryDirectory(prefix="scenewire-check-") as folder:
            began = time.monotonic()
            clip = await _rendered(provider, Path(folder))
            seconds, size = time.monotonic() - began, clip.clip.path.stat().st_size
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Failure("STORAGE", f"A clip cannot be written: {reason}.", retryable=True) from error
    return f"a clip of {SHORTEST_SECONDS} s was drawn, encoded and looked at in {seconds:.1f} s ({size} bytes)"


async def _rendered(provider: Provider, folder: Path) -> Rendered:
    order = Order(
        key="check",
        number=1,
        prompt=CAPTION,
        title=None,
        duration_seconds=SHORTEST_SECONDS,
        metadata={},
        workdir=folder,
        fresh=True,
        settings=Settings(aspect_ratio="16:9", resolution=Resolution.P360, audio=True),
    )
    async with aclosing(provider.follow(order, await provider.submit(order))) as steps:
        async for step in steps:
            if isinstance(step, Rendered):
                return step
    raise Failure("RENDER_CRASHED", "The renderer made no clip.", retryable=True)
