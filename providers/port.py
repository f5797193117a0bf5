"""The port every provider implements."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Order:
    """One clip to be made.

    `key` is unique to the take and stable over restarts, so a provider can use it as an idempotency key.
    `number` counts the takes of the scene from 1. `workdir` is an empty folder that the caller made and removes;
    whatever the provider hands back lies in it.
    """

    key: str
    number: int
    prompt: str
    title: str | None
    duration_seconds: float
    metadata: Mapping[str, object]
    workdir: Path


# Pictures of many scenes are shown at once: a frame, poster or preview that is larger is left out.
MOST_PICTURE_BYTES = 30_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a clip is: `fraction` in 0..1, None when the provider gives no figure; `frame` a small WebP image."""

    fraction: float | None = None
    frame: bytes | None = None


@dataclass(frozen=True, slots=True)
class Asset:
    """A finished file in the order's workdir. Sizes are in pixels, durations in seconds."""

    path: Path
    content_type: str
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """The result of an order: the clip, a still and a short animated preview of it, each at most 30 kB."""

    clip: Asset
    poster: Asset | None = None
    preview: Asset | None = None


class Failure(Exception):
    """The provider could not make the clip. `retryable` says whether another attempt may succeed."""

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable


class Provider(Protocol):
    """Makes clips. Every method may raise Failure; anything else is a defect and is reported as one."""

    @property
    def name(self) -> str:
        """The name jobs choose it by, e.g. "local"."""
        ...

    async def submit(self, order: Order) -> str:
        """Accept the order and return its provider id, which the caller commits before it follows."""
        ...

    def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        """Yield progress and at last exactly one Rendered; also resumes an order submitted by a dead process.

        Closing the generator stops whatever runs on this machine for the order within a second. An order that is
        canceled meanwhile ends in a Failure that is not retryable.
        """
        ...

    async def cancel(self, provider_id: str) -> None:
        """Tell the provider that nobody wants the order any more; harmless when it is finished or unknown."""
        ...

    async def close(self) -> None:
        """Release what the provider holds."""
        ...
