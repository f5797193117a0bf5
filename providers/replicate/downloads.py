"""Downloads of output files, which Replicate deletes after an hour."""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import httpx

from providers.files import opened_for_writing
from providers.port import Failure
from providers.replicate.api import Api
from providers.replicate.failures import error_of
from providers.replicate.prediction import expired
from providers.replicate.retrying import NoResponse, Pace, retry_until_available

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
CONTENT_TYPES = {"video/mp4": "mp4", "video/webm": "webm"}
_GONE = (403, 404, 410)
# Some models upload files without a content type; their file extension is used.
_UNTYPED = ("", "application/octet-stream", "binary/octet-stream")


class Clip(NamedTuple):
    """A downloaded file."""

    path: Path
    content_type: str


class Downloads:
    """Downloads clips of at most `most_bytes`."""

    def __init__(self, api: Api, pace: Pace, most_bytes: int) -> None:
        self._api = api
        self._pace = pace
        self._most_bytes = most_bytes

    async def fetch(self, address: str, folder: Path) -> Clip:
        """Download the clip into the folder. Raises Failure, never retryable: another attempt would cost again."""
        try:
            return await retry_until_available(
                self._pace, lambda: self._attempt(address, folder), give_up_after=self._pace.give_up_after
            )
        except NoResponse as error:
            raise _unavailable() from error

    async def _attempt(self, address: str, folder: Path) -> Clip:
        async with self._api.download(address) as response:
            if response.status_code in _GONE:
                raise expired()
            if not response.is_success:
                await response.aread()
                error = error_of(response)
                raise error if isinstance(error, NoResponse) else _unavailable()
            content_type = _content_type(response, address)
            part = folder / "clip.part"
            try:
                await self._write(response, part)
            except OSError as error:
                log.warning("cannot write %s", part, exc_info=True, extra={"action": "replicate.not_written"})
                with suppress(OSError):
                    await asyncio.to_thread(part.unlink, missing_ok=True)
                raise NoResponse(type(error).__name__, harmless=True) from error
            return Clip(part.rename(folder / f"clip.{CONTENT_TYPES[content_type]}"), content_type)

    async def _write(self, response: httpx.Response, path: Path) -> None:
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length[:18]) > self._most_bytes:
            raise self._too_large()
        async with opened_for_writing(path) as file:
            written = 0
            async for chunk in response.aiter_bytes(CHUNK_BYTES):
                written += len(chunk)
                if written > self._most_bytes:
                    raise self._too_large()
                await asyncio.to_thread(file.write, chunk)

    def _too_large(self) -> Failure:
        message = f"The clip is larger than the {self._most_bytes} bytes that this server accepts."
        return Failure("OUTPUT_TOO_LARGE", message, retryable=False)


def _unavailable() -> Failure:
    return Failure("OUTPUT_UNAVAILABLE", "The clip was made, but it could not be downloaded.", retryable=False)


def _content_type(response: httpx.Response, address: str) -> str:
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type in _UNTYPED:
        suffix = address.partition("?")[0].rpartition(".")[2].lower()
        content_type = next((known for known, name in CONTENT_TYPES.items() if name == suffix), content_type)
    if content_type not in CONTENT_TYPES:
        delivered = content_type[:80] or "a file without a type"
        message = f"The model delivered {delivered}, not one of {', '.join(CONTENT_TYPES)}."
        raise Failure("OUTPUT_NOT_A_CLIP", message, retryable=False)
    return content_type
