"""An example provider for Scenewire: it returns the clips of a folder, one after the other."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

from providers.port import Asset, Failure, Order, Progress, Rendered


class ShelfProvider:
    """Returns the first clip in the folder SHELF_FOLDER for take 1 of a scene, the second for take 2."""

    name = "shelf"

    def __init__(self) -> None:
        self._folder = Path(os.environ["SHELF_FOLDER"])

    async def submit(self, order: Order) -> str:
        """Accept the order. A provider that costs money sends `order.key` as an idempotency key, to pay once."""
        return f"shelf-{order.number}"

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered, None]:
        """Yield progress, then the result; its files are in the order's workdir."""
        yield Progress(0.0)
        clips = sorted(self._folder.glob("*.mp4"))
        if not clips:
            raise Failure("SHELF_EMPTY", "There is no clip on the shelf.", retryable=True)
        yield Progress(0.5)
        clip = order.workdir / "clip.mp4"
        await asyncio.to_thread(shutil.copyfile, clips[(order.number - 1) % len(clips)], clip)
        yield Rendered(Asset(clip, "video/mp4"))

    async def cancel(self, provider_id: str) -> None:
        """Stop work at a remote service; there is none here."""

    async def close(self) -> None:
        """Release resources; there are none here."""
