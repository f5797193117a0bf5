"""The stored files of one take: its clip, poster, preview and original, and its newest live frame."""

import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from coordinator.renders.claim import Claim
from coordinator.renders.inspections import Inspections, KeptClip
from coordinator.renders.provider_boundary import defect, defects_as_failures
from coordinator.retrying import retry_until_available
from coordinator.storage.keys import live_frame_key, take_key
from coordinator.storage.media import MediaStore
from providers.port import MOST_PICTURE_BYTES, Asset, Failure, Rendered

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

    async def take_in(
        self, inspections: Inspections, rendered: Rendered, folder: Path, asked_seconds: float | None
    ) -> dict[str, Any]:
        """Look at the clip, and store the files of its take; returns their JSON by column. New files go to the folder.

        A clip that was made elsewhere, of which nothing but a file is known, is `Rendered(Asset(path, ""))`. Raises
        KeptClip when it cannot be shown, and Failure when its files cannot be stored.
        """
        try:
            with defects_as_failures(retryable=False):
                examined = await inspections.examine(rendered, folder, asked_seconds)
        except KeptClip as failure:
            # The take fails of the same, whether its file can be kept or not.
            with suppress(Failure):
                failure.files = {"original": await self._store(".original", failure.clip)}
            raise
        files = {"output": await self._store("", examined.output)}
        for name in ("poster", "preview", "original"):
            asset: Asset | None = getattr(examined, name)
            if asset is not None:
                files[name] = await self._store(f".{name}", asset)
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

    def _log(self, message: str, action: str) -> None:
        log.info("%s", message, extra={"action": action, "scene": self._claim.scene_id, "run": self._claim.run})
