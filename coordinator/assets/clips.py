"""The clip that an external worker has uploaded as an asset, to keep and show it like those of a provider."""

import asyncio
from pathlib import Path
from typing import NamedTuple

from coordinator.retrying import retry_until_available
from coordinator.storage.media import MediaStore
from coordinator.storage.media_errors import unavailable_errors
from models.domain.access import SYSTEM
from models.domain.errors import Unavailable
from models.reads import assets
from models.writes.store import Store
from providers.port import Asset, Failure, Rendered


class FetchLimits(NamedTuple):
    """How large a clip may be, how long one may take, and how long a store that does not answer is asked again."""

    most_bytes: int
    longest_seconds: float
    pause_seconds: float
    give_up_after_seconds: float


async def clip_of(store: Store, media: MediaStore, asset_id: str, folder: Path, limits: FetchLimits) -> Rendered:
    """Return the file of an asset as a clip; a new file is written into the folder.

    It is read only: in a media store that is a folder it is the stored file itself. Raises Failure, which is never
    retried automatically, because another take would have to be rendered again.
    """
    try:
        async with asyncio.timeout(limits.longest_seconds):
            return await retry_until_available(
                lambda: _attempt(store, media, asset_id, folder, limits.most_bytes),
                pause_seconds=limits.pause_seconds,
                give_up_after_seconds=limits.give_up_after_seconds,
            )
    except (Unavailable, TimeoutError) as error:
        message = "The file of the asset could not be read."
        raise Failure("OUTPUT_UNAVAILABLE", message, retryable=True, retries=0) from error


async def _attempt(store: Store, media: MediaStore, asset_id: str, folder: Path, most_bytes: int) -> Rendered:
    async with store.read() as connection:
        asset = (await assets.assets_by_id(connection, SYSTEM, [asset_id])).get(asset_id)
    if asset is None or asset.media is None:
        raise _gone()
    if asset.size_bytes > most_bytes:
        message = f"The clip has {asset.size_bytes} bytes; at most {most_bytes} are accepted."
        raise Failure("OUTPUT_TOO_LARGE", message, retryable=False)
    try:
        with unavailable_errors():
            path = await media.fetch(asset.media["key"], folder / "clip")
    except FileNotFoundError as error:
        raise _gone() from error
    return Rendered(Asset(path, asset.content_type))


def _gone() -> Failure:
    return Failure("OUTPUT_UNAVAILABLE", "The file of the asset is gone.", retryable=False)
