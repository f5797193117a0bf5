"""Inspects the bytes of a completed upload, and compares them with the announcement."""

import os
from asyncio import Semaphore
from pathlib import Path

from coordinator.assets.gathering import Gathered
from coordinator.retrying import retry_until_available
from models.db.asset_rows import AssetRow
from models.domain.assets import AssetKind
from providers.clips.problems import BadClip
from providers.inspection import inspector
from providers.inspection.wire import Found, Work
from providers.port import Asset, Failure

# How many files are looked at at once: as many as clips.
LANES = min(8, max(2, os.cpu_count() or 1))
# How long it is tried again when the system has no memory, no processes or no disk space.
TRY_FOR_SECONDS = 20.0
TRY_AGAIN_SECONDS = 2.0

_NOUNS = {AssetKind.IMAGE: "picture", AssetKind.VIDEO: "video", AssetKind.AUDIO: "sound file"}


class Rejected(Exception):
    """The bytes are not what was announced, or cannot be used; the message is one sentence for users."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def other_size(size_bytes: int, announced_bytes: int) -> Rejected:
    """Return the error for a file of another size than announced."""
    return Rejected("FILE_OTHER_SIZE", f"{size_bytes} bytes were uploaded, not {announced_bytes} as announced.")


class Looking:
    """Inspects a limited number of files at the same time."""

    def __init__(self, lanes: int = LANES) -> None:
        self.lanes = Semaphore(lanes)

    async def look(self, asset: AssetRow, gathered: Gathered, folder: Path) -> Found:
        """Return the properties of the file; its poster is written into the folder.

        Raises Rejected, and Failure (INSPECTION_UNAVAILABLE) when no child process could look at it.
        """
        if gathered.size_bytes != asset.size_bytes:
            raise other_size(gathered.size_bytes, asset.size_bytes)
        if asset.sha256 is not None and asset.sha256 != gathered.sha256:
            raise Rejected("FILE_OTHER_HASH", f"The bytes have the SHA-256 {gathered.sha256}, not the announced one.")
        try:
            found = await retry_until_available(
                lambda: _found(asset.kind, gathered.path, folder),
                retry_on=Failure,
                pause_seconds=TRY_AGAIN_SECONDS,
                give_up_after_seconds=TRY_FOR_SECONDS,
            )
        except BadClip as bad:
            raise Rejected(bad.code.replace("CLIP_", "FILE_"), f"The {_NOUNS[asset.kind]} {bad.reason}.") from bad
        if found.file.content_type != asset.content_type:
            message = f"The bytes are {found.file.content_type}, not {asset.content_type} as announced."
            raise Rejected("FILE_OTHER_TYPE", message)
        return found


async def _found(kind: AssetKind, path: Path, folder: Path) -> Found:
    match kind:
        case AssetKind.IMAGE:
            return await inspector.examine(path, folder, Work.IMAGE)
        case AssetKind.AUDIO:
            return await inspector.examine(path, folder, Work.SOUND)
        case AssetKind.VIDEO:
            seen = await inspector.inspect(path, folder, None)
            clip = seen.clip
            file = Asset(path, clip.content_type, clip.width, clip.height, clip.duration_seconds)
            return Found(file, seen.poster)
