"""Takes in the clips that leased workers have uploaded, to look at them and keep them like those of a provider."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from coordinator.assets.gathering import gather
from coordinator.assets.uploads import Uploads
from coordinator.storage.media_errors import FileTooLarge
from models.db.rows import TakeRow
from models.domain.access import SYSTEM
from models.domain.settings import folded
from models.reads import assets, leases, queries
from models.writes.store import Store
from providers.catalogue import Resolution, Settings
from providers.clips.problems import TOO_LARGE
from providers.port import Asset, Failure, Made, Rendered


class Deliveries(NamedTuple):
    """Finds the upload of a delivered take by its lease."""

    store: Store
    uploads: Uploads

    async def fetch(self, take_id: str, folder: Path) -> Rendered:
        """Return the clip of a take, with what its worker reported about it; new files are written into the folder.

        Raises Failure when its bytes are gone, or too many.
        """
        async with self.store.read() as connection:
            lease = await leases.delivered(connection, take_id)
            take = await queries.one(queries.takes_by_id, connection, SYSTEM, take_id)
            upload_id = None if lease is None else lease.upload_id
            upload = None if upload_id is None else await assets.upload(connection, upload_id)
        if lease is None or take is None or upload is None:
            raise _gone()
        try:
            gathered = await gather(self.uploads.media, upload, folder)
        except FileNotFoundError as error:
            raise _gone() from error
        except FileTooLarge as error:
            message = f"The uploaded clip has {error.size} bytes; at most {upload.room} are accepted."
            raise Failure(TOO_LARGE, message, retryable=False) from error
        # Another attempt costs this server nothing: the worker has sent a clip that cannot be shown.
        return Rendered(Asset(gathered.path, ""), repeatable=True, made=_made(take, lease.delivery or {}))

    async def done(self, take_id: str) -> None:
        """Delete the upload of a take whose clip is stored. One that is left over expires."""
        async with self.store.read() as connection:
            lease = await leases.delivered(connection, take_id)
        if lease is not None and lease.upload_id is not None:
            await self.uploads.end(lease.upload_id)


def _made(take: TakeRow, reported: Mapping[str, Any]) -> Made:
    """Return how the clip was made: as was asked, except for what the worker reported."""
    seed = {} if reported.get("seed") is None else {"seed": reported["seed"]}
    used = folded(seed, reported.get("settings"), take.settings)
    resolution = used.get("resolution")
    if resolution is not None:
        used["resolution"] = Resolution(resolution)
    return Made(settings=Settings(**used), metrics=dict(reported.get("metrics") or {}))


def _gone() -> Failure:
    return Failure("CLIP_GONE", "The uploaded clip is gone.", retryable=True)
