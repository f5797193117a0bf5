"""Fetches the clips that workers outside the server have made, to keep and show them like those of a provider."""

import asyncio
import logging
from pathlib import Path
from typing import NamedTuple

from coordinator.assets.clips import FetchLimits
from coordinator.retrying import retry_until_available
from coordinator.webhooks.http_client import DeliveryErrorKind, DeliveryFailed, Download, HttpClient
from models.db.cancellation import raise_if_cancelled
from providers.clips.containers import recognised
from providers.clips.receiving import check_length, receive
from providers.port import Asset, Failure, Rendered

log = logging.getLogger(__name__)

# How long one clip may take, attempts included: others wait for the same lane.
LONGEST_SECONDS = 600.0
# How long a host that does not answer is asked again.
GIVE_UP_AFTER_SECONDS = 120.0
SHARE_OF_DEADLINE = 0.25
PAUSE_SECONDS = 2.0
MOST_BYTES = 500_000_000
# No compressed transfer: a small response must not become a large file.
_HEADERS = {"accept": "video/*, */*;q=0.1", "accept-encoding": "identity", "user-agent": "Scenewire"}
# RFC 9110: the server asks to come again later.
_LATER = (408, 425, 429)


class _NoAnswer(Exception):
    """The host did not deliver the file now; the message completes the sentence "It …"."""


class Adoptions(NamedTuple):
    """Downloads clips of at most `most_bytes` through the client that webhooks are sent with."""

    http: HttpClient
    most_bytes: int = MOST_BYTES
    longest_seconds: float = LONGEST_SECONDS
    pause_seconds: float = PAUSE_SECONDS
    give_up_after_seconds: float = GIVE_UP_AFTER_SECONDS

    @property
    def limits(self) -> FetchLimits:
        """The same limits for clips that are assets."""
        return FetchLimits(self.most_bytes, self.longest_seconds, self.pause_seconds, self.give_up_after_seconds)

    async def fetch(self, address: str, folder: Path) -> Rendered:
        """Download a clip into the folder.

        Raises Failure, which is never retried automatically, because another take would have to be rendered again.
        """
        try:
            async with asyncio.timeout(self.longest_seconds):
                return await retry_until_available(
                    lambda: self._attempt(address, folder / "clip"),
                    retry_on=_NoAnswer,
                    pause_seconds=self.pause_seconds,
                    give_up_after_seconds=self.give_up_after_seconds,
                )
        except TimeoutError as error:
            raise _unavailable(f"was not done within {self.longest_seconds:g} seconds") from error
        except _NoAnswer as error:
            raise _unavailable(str(error)) from error

    async def _attempt(self, address: str, path: Path) -> Rendered:
        try:
            async with self.http.get(address, _HEADERS) as download:
                return Rendered(Asset(path, await self._received(download, path)))
        except DeliveryFailed as error:
            raise_if_cancelled(error)
            if error.kind is DeliveryErrorKind.NOT_ALLOWED:
                message = "The server does not fetch clips from this address, or from the one that it redirects to."
                raise Failure("OUTPUT_REFUSED", message, retryable=False) from error
            log.info("clip not fetched: %s", error, extra={"action": "adoption.no_answer"})
            raise _NoAnswer(f"got no answer ({error.kind.value})") from error
        except OSError as error:
            log.warning("cannot write %s", path, exc_info=True, extra={"action": "adoption.not_written"})
            raise _NoAnswer("could not be written to disk") from error

    async def _received(self, download: Download, path: Path) -> str:
        """Write the file, and return the content type of the clip."""
        if download.status >= 500 or download.status in _LATER:
            raise _NoAnswer(f"was answered with status {download.status}")
        if download.status != 200:
            raise _unavailable(f"was answered with status {download.status}")
        check_length(download.headers.get("content-length", ""), self.most_bytes)
        announced = download.headers.get("content-type", "")
        return await receive(download.chunks, path, self.most_bytes, lambda head: _kind(head, announced))


def _kind(head: bytes, announced: str) -> str:
    """Return the content type of a clip by its first bytes. Raises Failure for any other file."""
    container = recognised(head)
    if container is not None:
        return container.content_type
    delivered = announced.partition(";")[0].strip()[:80] or "a file without a type"
    message = f"The address delivered {delivered}, not an MP4, QuickTime, WebM or Matroska file."
    raise Failure("OUTPUT_NOT_A_CLIP", message, retryable=False)


def _unavailable(reason: str) -> Failure:
    # Another attempt may succeed, but it would cost the worker a render.
    return Failure("OUTPUT_UNAVAILABLE", f"The clip could not be fetched: it {reason}.", retryable=True, retries=0)
