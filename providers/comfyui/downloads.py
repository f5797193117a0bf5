"""Downloads of clips from ComfyUI's folders, in constant memory."""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

from providers.clips.containers import recognised
from providers.clips.receiving import check_length, receive
from providers.comfyui.api import Api
from providers.comfyui.failures import error_of
from providers.comfyui.outputs import File
from providers.hosted.http import complete
from providers.hosted.retrying import NoResponse, Pace, Refused, retry_until_available
from providers.port import Asset, Failure

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
_SUFFIXES = {"video/mp4": "mp4", "video/webm": "webm", "video/quicktime": "mov", "video/x-matroska": "mkv"}
# How long a refusal is retried, of the time for those of other requests: it mostly means that the file was deleted.
REFUSALS_SHARE = 0.1


class Downloads:
    """Downloads clips of at most `most_bytes`."""

    def __init__(self, api: Api, pace: Pace, most_bytes: int) -> None:
        self._api = api
        self._pace = pace
        self._most_bytes = most_bytes

    async def fetch(self, file: File, folder: Path) -> Asset:
        """Download a clip into the folder. Raises Failure.

        What cannot be had is retryable, since another attempt costs no money; what is no clip would be none again.
        """
        pace = self._pace
        try:
            return await retry_until_available(
                pace,
                lambda: self._attempt(file, folder),
                give_up_after=pace.give_up_after,
                refusals=pace.refusals * REFUSALS_SHARE,
            )
        except NoResponse as error:
            message = "The clip was made, but ComfyUI did not deliver it."
            raise Failure("OUTPUT_UNAVAILABLE", message, retryable=True, unsettled=True) from error
        except Refused as refusal:
            message = f"The clip was made, but ComfyUI does not deliver it: {refusal.message}"
            raise Failure("OUTPUT_UNAVAILABLE", message, retryable=True) from refusal

    async def _attempt(self, file: File, folder: Path) -> Asset:
        part = folder / "clip.part"
        async with self._api.download(file) as response:
            if response.status_code != 200:
                raise error_of(await complete(response))
            check_length(response.headers.get("content-length", ""), self._most_bytes)
            try:
                kind = await receive(response.aiter_bytes(CHUNK_BYTES), part, self._most_bytes, _kind)
            except OSError as error:
                log.warning("cannot write %s", part, exc_info=True, extra={"action": "comfyui.not_written"})
                with suppress(OSError):
                    await asyncio.to_thread(part.unlink, missing_ok=True)
                raise NoResponse(type(error).__name__, harmless=True) from error
        return Asset(part.rename(folder / f"clip.{_SUFFIXES[kind]}"), kind)


def _kind(head: bytes) -> str:
    container = recognised(head)
    if container is None:
        message = f"The workflow saved a file that is not one of {', '.join(_SUFFIXES)}."
        raise Failure("OUTPUT_NOT_A_CLIP", message, retryable=False)
    return container.content_type
