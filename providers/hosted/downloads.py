"""Downloads of output files, which services delete after an hour or a few days."""

import asyncio
import base64
import binascii
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from providers.cancellation import raise_if_cancelled
from providers.clips.containers import recognised
from providers.clips.receiving import check_length, receive, too_large
from providers.hosted.failures import error_of
from providers.hosted.http import Http, complete
from providers.hosted.outputs import VIDEO_SUFFIXES, Candidate
from providers.hosted.retrying import NoResponse, Pace, Refused, retry_until_available
from providers.port import Failure

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
# RFC 4337 registers the first for MP4 with pictures, too; the second is Matroska's before its registration.
_OTHER_TYPES = {"application/mp4": "video/mp4", "video/matroska": "video/x-matroska"}
_SUFFIXES = {"video/mp4": "mp4", "video/webm": "webm", "video/quicktime": "mov", "video/x-matroska": "mkv"}
_GONE = (403, 404, 410)
GONE = "The clip was made, but {service} does not deliver it; a regenerate asks once more, before it makes another."
UNAVAILABLE = (
    "The clip was made, but it could not be downloaded; a regenerate tries that once more, before it makes another."
)
# Another file of the output may be the clip.
_NEXT = ("OUTPUT_REFUSED", "OUTPUT_NOT_A_CLIP", "OUTPUT_EXPIRED", "OUTPUT_TOO_LARGE")


class Clip(NamedTuple):
    """A downloaded file."""

    path: Path
    content_type: str


class Page(Failure):
    """A file is a web page: that of a proxy, such as a challenge, rather than an output of a model."""


class Downloads:
    """Downloads clips of at most `most_bytes`."""

    def __init__(self, http: Http, pace: Pace, most_bytes: int) -> None:
        self._http = http
        self._pace = pace
        self._most_bytes = most_bytes

    async def fetch(self, files: Sequence[Candidate], folder: Path) -> Clip:
        """Download the first of the files that is a clip into the folder.

        Raises the Failure of the first file, or of the first that may still be had, never retryable: another attempt
        would cost again.
        """
        return await retry_until_available(self._pace, lambda: self._first(files, folder), refusals=self._pace.refusals)

    async def _first(self, files: Sequence[Candidate], folder: Path) -> Clip:
        """Return the first file that is a clip. Raises Refused when one of them is a page, and Failure."""
        failures: list[Failure] = []
        for file in files:
            try:
                return await self._available(file, folder)
            except Failure as failure:
                if failure.code not in _NEXT:
                    raise
                raise_if_cancelled(failure)
                log.info("not the clip: %s", failure, extra={"action": "hosted.not_the_clip"})
                failures.append(failure)
        for failure in failures:
            if isinstance(failure, Page):
                raise Refused(failure.code, failure.message, retryable=False, unsettled=True) from failure
        raise next((failure for failure in failures if failure.unsettled), failures[0])

    async def _available(self, file: Candidate, folder: Path) -> Clip:
        """Download a file, which is asked for again while it is refused. Raises Failure, but not Refused."""
        pace = self._pace
        try:
            return await retry_until_available(
                pace, lambda: self._attempt(file, folder), give_up_after=pace.give_up_after, refusals=pace.refusals
            )
        except NoResponse as error:
            raise Failure("OUTPUT_UNAVAILABLE", UNAVAILABLE, retryable=False, unsettled=True) from error
        except Refused as refusal:
            raise Failure(refusal.code, refusal.message, retryable=False, unsettled=refusal.unsettled) from refusal

    async def _attempt(self, file: Candidate, folder: Path) -> Clip:
        if file.is_inline:
            content_type, chunks = await asyncio.to_thread(_inline, file.address, self._most_bytes)
            return await self._stored(_once(chunks), content_type, file, folder)
        async with self._http.download(file.address) as response:
            if response.status_code in _GONE:
                raise Refused(
                    "OUTPUT_EXPIRED", GONE.format(service=self._http.service.name), retryable=False, unsettled=True
                )
            if response.status_code != 200:
                error = error_of(await complete(response))
                if isinstance(error, NoResponse):
                    raise error
                raise Refused("OUTPUT_UNAVAILABLE", UNAVAILABLE, retryable=False, unsettled=True)
            check_length(response.headers.get("content-length", ""), self._most_bytes)
            content_type = response.headers.get("content-type", "")
            return await self._stored(response.aiter_bytes(CHUNK_BYTES), content_type, file, folder)

    async def _stored(self, chunks: AsyncIterator[bytes], content_type: str, file: Candidate, folder: Path) -> Clip:
        part = folder / "clip.part"
        try:
            kind = await receive(chunks, part, self._most_bytes, lambda head: _kind(head, content_type, file))
        except OSError as error:
            log.warning("cannot write %s", part, exc_info=True, extra={"action": "hosted.not_written"})
            with suppress(OSError):
                await asyncio.to_thread(part.unlink, missing_ok=True)
            raise NoResponse(type(error).__name__, harmless=True) from error
        return Clip(part.rename(folder / f"clip.{_SUFFIXES[kind]}"), kind)


def _kind(head: bytes, content_type: str, file: Candidate) -> str:
    """Return the content type of a clip by its first bytes, whatever it is announced as.

    A file of unknown bytes that is announced as a clip is kept, so that the operator can look at what was paid for.
    Raises Failure for any other.
    """
    container = recognised(head)
    if container is not None:
        return container.content_type
    announced = content_type.partition(";")[0].strip().lower()
    announced = _OTHER_TYPES.get(announced, announced)
    if announced in _SUFFIXES:
        return announced
    if announced in ("", "application/octet-stream", "binary/octet-stream") and file.announced_type is not None:
        return file.announced_type
    delivered = announced[:80] or "a file without a type"
    message = f"The model delivered {delivered}, not one of {', '.join(dict.fromkeys(VIDEO_SUFFIXES.values()))}."
    is_page = announced == "text/html" and not file.is_inline
    raise (Page if is_page else Failure)("OUTPUT_NOT_A_CLIP", message, retryable=False)


def _inline(address: str, most_bytes: int) -> tuple[str, bytes]:
    """Return the content type and the content of an address with the scheme data (RFC 2397)."""
    header, comma, data = address[5:].partition(",")
    content_type, *parameters = header.split(";")
    if len(data) > 2 * most_bytes + 1024:
        raise too_large(most_bytes)
    try:
        if not comma:
            raise ValueError("there is no data")
        plain = unquote_to_bytes(data)
        encoded = any(parameter.strip().lower() == "base64" for parameter in parameters)
        return content_type, base64.b64decode(plain, validate=True) if encoded else plain
    except (ValueError, binascii.Error) as error:
        message = "The model's output is a data URI that cannot be decoded."
        raise Failure("OUTPUT_NOT_A_CLIP", message, retryable=False) from error


async def _once(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]
