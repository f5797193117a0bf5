"""A provider for Scenewire that makes nothing: it hands out the clips of a folder, one after the other."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

from providers.port import Asset, Failure, Order, Progress, Rendered


class ShelfProvider:
    """Take 1 of a scene gets the first clip in the folder SHELF_FOLDER, take 2 the second."""

    name = "shelf"

    def __init__(self) -> None:
        self._folder = Path(os.environ["SHELF_FOLDER"])

    async def submit(self, order: Order) -> str:
        """Accept the order. Whoever pays here sends `order.key` along, so that the same order is paid for once."""
        return f"shelf-{order.number}"

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered, None]:
        """Say how far it is, and at last what came of it; all files lie in the order's folder."""
        yield Progress(0.0)
        clips = sorted(self._folder.glob("*.mp4"))
        if not clips:
            raise Failure("SHELF_EMPTY", "There is no clip on the shelf.", retryable=True)
        yield Progress(0.5)
        clip = order.workdir / "clip.mp4"
        await asyncio.to_thread(shutil.copyfile, clips[(order.number - 1) % len(clips)], clip)
        yield Rendered(Asset(clip, "video/mp4"))

    async def cancel(self, provider_id: str) -> None:
        """Nothing goes on anywhere else that would have to be stopped."""

    async def close(self) -> None:
        """Nothing is held."""
