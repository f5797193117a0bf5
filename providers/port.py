"""The port that every provider implements."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Order:
    """A request for one clip.

    `key` is unique to the take and stable over restarts: an idempotency key. `number` counts the takes of the scene
    from 1. `workdir` is an empty folder, which the caller creates and removes; all files of the result are in it.
    """

    key: str
    number: int
    prompt: str
    title: str | None
    duration_seconds: float
    metadata: Mapping[str, object]
    workdir: Path


# Clients show pictures of many scenes at once: a frame, poster or preview that is larger is dropped.
MOST_PICTURE_BYTES = 30_000


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a clip: `fraction` in 0..1, None when the provider reports none; `frame` is a WebP image."""

    fraction: float | None = None
    frame: bytes | None = None


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the result, in the order's workdir. Sizes are in pixels, durations in seconds."""

    path: Path
    content_type: str
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """The result of an order: the clip, a poster and a short animated preview of it, these two at most 30 kB each."""

    clip: Asset
    poster: Asset | None = None
    preview: Asset | None = None


class Failure(Exception):
    """The provider could not make the clip. `retryable`: whether another attempt may succeed."""

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable


class Provider(Protocol):
    """Makes clips. Every method may raise Failure; any other exception is handled as a defect of the provider."""

    @property
    def name(self) -> str:
        """The name by which a job chooses the provider, e.g. "local"."""
        ...

    async def submit(self, order: Order) -> str:
        """Accept the order and return its provider id, which the caller commits before it follows the order."""
        ...

    def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        """Yield progress, then exactly one Rendered. Also resumes an order that a dead process submitted.

        Closing the generator stops everything that runs on this machine for the order within a second. Raises a Failure
        that is not retryable when the order is canceled meanwhile.
        """
        ...

    async def cancel(self, provider_id: str) -> None:
        """Cancel the order. Idempotent; an order that is finished or unknown is ignored."""
        ...

    async def close(self) -> None:
        """Release the resources of the provider."""
        ...
