"""The stored files of one take: its clip, poster and preview, and its newest live frame."""

import asyncio
import logging
import time
from typing import Any

from coordinator.renders.claims import Claim
from coordinator.renders.provider_boundary import defect
from coordinator.retrying import retry_until_available
from coordinator.storage.keys import live_frame_key, take_key
from coordinator.storage.media import MediaStore
from providers.port import MOST_PICTURE_BYTES, Asset, Rendered

log = logging.getLogger(__name__)

# Minimum interval between two stored frames.
FRAME_SECONDS = 0.9
# How long storing a clip is retried, so that an operator can make room: the clip may have cost money.
STORE_TIMEOUT_SECONDS = 120.0


class TakeFiles:
    """Stores the files of a claimed take."""

    def __init__(self, media: MediaStore, claim: Claim) -> None:
        self._media = media
        self._claim = claim
        self._framed_at = 0.0
        # The number of frames stored so far.
        self.frames = 0

    async def store_result(self, rendered: Rendered) -> dict[str, Any]:
        """Store the clip and its pictures; returns their JSON by column. Raises Failure.

        A picture of more than MOST_PICTURE_BYTES is left out.
        """
        files = {"output": await self._store("", rendered.clip)}
        for name, picture in (("poster", rendered.poster), ("preview", rendered.preview)):
            if picture is not None and await self._is_small(picture):
                files[name] = await self._store(f".{name}", picture)
        return files

    async def store_frame(self, frame: bytes | None) -> bool:
        """Store the newest frame, unless it is too large or follows the last one too soon; returns whether it was."""
        if frame is None or len(frame) > MOST_PICTURE_BYTES or time.monotonic() - self._framed_at < FRAME_SECONDS:
            return False
        self._framed_at = time.monotonic()
        try:
            await self._media.put(live_frame_key(self._claim.take_id), frame)
        except Exception:
            self._log("frame not stored", "render.frame_lost")
            return False
        self.frames += 1
        return True

    async def _store(self, suffix: str, asset: Asset) -> dict[str, Any]:
        claim = self._claim
        key = take_key(claim.job_id, claim.scene_id, claim.take_id) + suffix
        try:
            return await retry_until_available(
                lambda: self._media.store(key, asset), retry_on=Exception, give_up_after_seconds=STORE_TIMEOUT_SECONDS
            )
        except Exception as error:
            raise defect("STORAGE", "The clip could not be stored.", error, retryable=False) from error

    async def _is_small(self, picture: Asset) -> bool:
        try:
            size = (await asyncio.to_thread(picture.path.stat)).st_size
        except OSError:
            # Storing it will report the error.
            return True
        if size > MOST_PICTURE_BYTES:
            self._log(f"{picture.path.name} of {size} bytes is left out", "render.large_picture")
        return size <= MOST_PICTURE_BYTES

    def _log(self, message: str, action: str) -> None:
        log.info("%s", message, extra={"action": action, "scene": self._claim.scene_id, "run": self._claim.run})
