"""The files that a clip is made from: assets of the owner, and pictures of earlier takes."""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from coordinator.storage.keys import frame_key
from coordinator.storage.media import MediaStore
from coordinator.storage.media_errors import unavailable_errors
from models.db.asset_rows import AssetRow
from models.db.cancellation import raise_if_cancelled
from models.db.rows import TakeRow
from models.domain.access import SYSTEM
from models.domain.errors import Unavailable
from models.reads import assets, queries
from models.writes.store import Store
from providers.catalogue import InputRole
from providers.clips.problems import BadClip
from providers.inspection import inspector
from providers.port import Failure, InputFile

# How long the address of a file is valid: a provider may begin to read it when the order has waited in its queue.
ADDRESS_LIFETIME = timedelta(hours=6)

# Returns the signed address of a stored file that can be reached from outside; None when there is none.
FileAddress = Callable[[str, timedelta], str | None]

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredInput:
    """An `InputFile` in the media store."""

    role: InputRole
    name: str | None
    key: str
    content_type: str
    size_bytes: int
    media: MediaStore
    folder: Path
    address: FileAddress

    async def path(self) -> Path:
        """Return the file, fetched from a bucket at the first call. Raises Failure."""
        target = self.folder / f"input_{self.key.replace('/', '_')}"
        if await asyncio.to_thread(target.exists):
            return target
        # Not the final name: a file that is there is complete.
        path = await _fetched(self.media, self.key, target.with_name(f"{uuid.uuid4().hex}.part"))
        if path.parent == self.folder:
            return await asyncio.to_thread(path.rename, target)
        # In a media store that is a folder this is the stored file itself, which must not be changed.
        await asyncio.to_thread(target.symlink_to, path.absolute())
        return target

    async def url(self) -> str | None:
        """Return an address that serves the file for hours; None without an address from outside."""
        own = self.address(self.key, ADDRESS_LIFETIME)
        if own is not None:
            return own
        signed = await self.media.address(self.key, "GET", ADDRESS_LIFETIME)
        return signed if signed is not None and signed.startswith("https://") else None


@dataclass(frozen=True, slots=True)
class MissingInput:
    """An `InputFile` that cannot be read: each access raises its failure."""

    role: InputRole
    name: str | None
    failure: Failure
    content_type: str = "application/octet-stream"
    size_bytes: int = 0

    async def path(self) -> Path:
        """Raise the failure."""
        raise self.failure

    async def url(self) -> str | None:
        """Raise the failure."""
        raise self.failure


class InputFiles:
    """Finds the files of inputs as they are stored with scenes and takes."""

    def __init__(self, store: Store, media: MediaStore, address: FileAddress) -> None:
        self._store = store
        self._media = media
        self._address = address

    async def of(self, inputs: Sequence[Json], folder: Path, *, ordered: bool = False) -> tuple[InputFile, ...]:
        """Return the files of the inputs, in order; what is fetched or made is written into the folder.

        The inputs were checked when they were stored. Raises Failure when one is gone since (INPUT_MISSING), gives no
        picture (INPUT_UNUSABLE) or cannot be read now (INPUT_UNAVAILABLE, retryable), and Unavailable. Where the order
        may exist already (`ordered`), only reading the file raises Failure: a clip that is paid for needs no inputs.
        """
        if not inputs:
            return ()
        async with self._store.read() as connection:
            asset_ids = [each["asset_id"] for each in inputs if "asset_id" in each]
            found = await assets.assets_by_id(connection, SYSTEM, asset_ids)
            take_ids = [each["take_id"] for each in inputs if "take_id" in each]
            takes = await queries.takes_by_id(connection, SYSTEM, take_ids)
        files: list[InputFile] = []
        for index, given in enumerate(inputs):
            try:
                if "take_id" in given:
                    file = await self._of_take(takes.get(given["take_id"]), given, folder)
                else:
                    file = _of_asset(found.get(given["asset_id"]))
                if file is None:
                    raise Failure("INPUT_MISSING", f"Input {index} does not exist any more.", retryable=False)
            except Failure as failure:
                raise_if_cancelled(failure)
                if not ordered:
                    raise
                files.append(MissingInput(InputRole(given["role"]), given.get("name"), failure))
            else:
                files.append(self._input(given, file, folder))
        return tuple(files)

    def _input(self, given: Json, file: Json, folder: Path) -> InputFile:
        return StoredInput(
            InputRole(given["role"]),
            given.get("name"),
            file["key"],
            file["content_type"],
            int(file["size_bytes"]),
            self._media,
            folder,
            self._address,
        )

    async def _of_take(self, take: TakeRow | None, given: Json, folder: Path) -> Json | None:
        """Return the file of a picture of a take, made if it is not stored yet; the clip itself as source video."""
        if take is None or take.output is None or "key" not in take.output:
            return None
        if given["role"] == InputRole.SOURCE_VIDEO:
            return take.output
        at_seconds = given.get("at_seconds")
        key = frame_key(f"{take.job_id}/{take.scene_id}/{take.id}", at_seconds)
        stored = await self._media.head(key)
        if stored is not None:
            return {"key": key, "content_type": "image/png", "size_bytes": stored.size}
        return await self._made(take.output["key"], key, at_seconds, folder)

    async def _made(self, clip_key: str, key: str, at_seconds: float | None, folder: Path) -> Json:
        """Take the picture out of the clip, and store it beside the clip, with which it is deleted."""
        own = folder / f"frame_{uuid.uuid4().hex}"
        await asyncio.to_thread(own.mkdir)
        clip = await _fetched(self._media, clip_key, own / "clip")
        try:
            picture = await inspector.take_picture(clip, own, at_seconds)
        except BadClip as bad:
            raise Failure("INPUT_UNUSABLE", f"A picture of a take: the clip {bad.reason}.", retryable=False) from bad
        try:
            with unavailable_errors():
                return await self._media.store(key.removesuffix(".png"), picture)
        except Unavailable as error:
            raise Failure("INPUT_UNAVAILABLE", "An input could not be stored.", retryable=True) from error


def _of_asset(asset: AssetRow | None) -> Json | None:
    return None if asset is None else asset.media


async def _fetched(media: MediaStore, key: str, target: Path) -> Path:
    try:
        with unavailable_errors():
            return await media.fetch(key, target)
    except FileNotFoundError as error:
        raise Failure("INPUT_MISSING", "The file of an input is gone.", retryable=False) from error
    except Unavailable as error:
        raise Failure("INPUT_UNAVAILABLE", "The file of an input cannot be read now.", retryable=True) from error
