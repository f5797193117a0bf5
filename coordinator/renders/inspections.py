"""Looks at finished clips, of any provider, before their takes are completed.

In a child process, which finds out what the clip is and makes its poster and preview. A clip that browsers cannot play
also gets a rendition that they can.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from coordinator.retrying import retry_until_available
from coordinator.storage.content_types import picture_type
from providers.clips.containers import container_of
from providers.clips.encoding import VideoCodec
from providers.clips.problems import UNREADABLE, BadClip
from providers.inspection.inspector import inspect
from providers.inspection.wire import Seen
from providers.joining import joiner
from providers.joining.wire import Clip
from providers.port import MOST_PICTURE_BYTES, Asset, Failure, Rendered

log = logging.getLogger(__name__)

# How many clips are looked at concurrently: two at least, so that one that hangs does not hold the others up, and not
# so many that their memory adds up.
LANES = min(8, max(2, os.cpu_count() or 1))
# How long it is tried again when the system has no memory, no processes or no disk space: the clip may be paid for.
TRY_FOR_SECONDS = 120.0
TRY_AGAIN_SECONDS = 2.0
RENDITION_SECONDS = 1800.0
# Failures of joining that are not the clip's.
_TRANSIENT = ("NO_ROOM", "JOIN_UNAVAILABLE")

T = TypeVar("T")


class KeptClip(Failure):
    """The failure of a take because of its clip, whose file is kept with the take: `files` is its JSON by column."""

    def __init__(self, failure: Failure, clip: Asset) -> None:
        super().__init__(failure.code, failure.message, retryable=failure.retryable, unsettled=failure.unsettled)
        self.clip = clip
        self.files: dict[str, Any] = {}


class Examined(NamedTuple):
    """The files of a take that can be shown; `original` is the delivered file when `output` is a rendition of it."""

    output: Asset
    poster: Asset | None
    preview: Asset | None
    original: Asset | None = None


class Inspections:
    """Looks at a limited number of clips at the same time. `codec` is that of renditions and joins that are encoded."""

    def __init__(self, lanes: int = LANES, *, codec: VideoCodec = VideoCodec.H264) -> None:
        self.codec = codec
        self._lanes = asyncio.Semaphore(lanes)
        # A rendition may take minutes, and holds up no inspection.
        self._rendition_lanes = asyncio.Semaphore(lanes)

    async def examine(self, rendered: Rendered, folder: Path, asked_seconds: float | None) -> Examined:
        """Look at a clip for which a duration was asked; new files are written into the folder.

        Raises KeptClip when it cannot be shown: CLIP_UNREADABLE, CLIP_WITHOUT_PICTURE, CLIP_TRUNCATED, CLIP_TOO_LONG,
        CLIP_TOO_LARGE; and INSPECTION_UNAVAILABLE when no child process could be started.
        """
        clip = rendered.clip
        if rendered.checked and rendered.poster and clip.width and clip.height and clip.duration_seconds:
            return Examined(clip, rendered.poster, rendered.preview)
        # A provider that names a file that does not exist has a defect, and the clip none.
        await asyncio.to_thread(clip.path.stat)
        try:
            return await self._examine(rendered, folder / "inspected", asked_seconds)
        except BadClip as bad:
            failure = Failure(bad.code, f"The clip {bad.reason}.", retryable=rendered.repeatable)
            raise KeptClip(failure, await _as_it_is(clip)) from bad
        except Failure as failure:
            # Nothing is known against the clip: the next take may find it at the provider.
            kept = Failure(failure.code, failure.message, retryable=rendered.repeatable, unsettled=True)
            raise KeptClip(kept, await _as_it_is(clip)) from failure

    async def _examine(self, rendered: Rendered, folder: Path, asked_seconds: float | None) -> Examined:
        await asyncio.to_thread(folder.mkdir, exist_ok=True)
        async with self._lanes:
            seen = await _tried(lambda: inspect(rendered.clip.path, folder, asked_seconds))
        poster = await _usable(rendered.poster) or seen.poster
        preview = await _usable(rendered.preview) or seen.preview
        if seen.playable:
            return Examined(seen.clip, poster, preview)
        async with self._rendition_lanes:
            return Examined(
                await _tried(lambda: _rendition(seen, folder, asked_seconds, self.codec)), poster, preview, seen.clip
            )


async def _tried(call: Callable[[], Awaitable[T]]) -> T:
    """Return the result of the call, tried again while it raises Failure; BadClip is final."""
    return await retry_until_available(
        call, retry_on=Failure, pause_seconds=TRY_AGAIN_SECONDS, give_up_after_seconds=TRY_FOR_SECONDS
    )


async def _rendition(seen: Seen, folder: Path, asked_seconds: float | None, codec: VideoCodec) -> Asset:
    """Return the clip as an MP4 file that browsers play: its packets if these are playable, else encoded again."""
    try:
        async with asyncio.timeout(RENDITION_SECONDS):
            clip = Clip(str(seen.clip.path), seen.clip.content_type, asked_seconds)
            return await joiner.join([clip], folder, codec=codec)
    except TimeoutError as error:
        raise BadClip(UNREADABLE, f"could not be converted for browsers in {RENDITION_SECONDS:g} seconds") from error
    except Failure as failure:
        if failure.code in _TRANSIENT:
            raise
        raise BadClip(UNREADABLE, "is of a kind that browsers do not play, and could not be converted") from failure


async def _usable(picture: Asset | None) -> Asset | None:
    """Return a picture of the provider, with the type of its bytes; None when it is missing, too large or no picture.

    The inspection has made another.
    """
    if picture is None:
        return None
    try:
        size, content_type = await asyncio.to_thread(_size_and_type, picture.path)
    except OSError:
        size, content_type = 0, None
    if content_type is not None and size <= MOST_PICTURE_BYTES:
        return replace(picture, content_type=content_type)
    log.info("%s of %d bytes is left out", picture.path.name, size, extra={"action": "render.picture_left_out"})
    return None


def _size_and_type(path: Path) -> tuple[int, str | None]:
    with path.open("rb") as file:
        head = file.read(12)
    return path.stat().st_size, picture_type(head)


async def _as_it_is(clip: Asset) -> Asset:
    """Return a clip that cannot be shown with the type that its first bytes show, and nothing else known about it."""
    container = await asyncio.to_thread(container_of, clip.path)
    return Asset(clip.path, container.content_type if container is not None else "")
