"""The port that every provider implements."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from providers.catalogue import NO_SETTINGS, InputRole, Model, Settings


@dataclass(frozen=True, slots=True)
class EarlierOrder:
    """An order of an earlier take whose failure was `unsettled`; `provider_id` is None when it is not known.

    The other fields are as those of `Order`.
    """

    key: str
    number: int
    provider_id: str | None
    started_at: datetime | None = None


class InputFile(Protocol):
    """A file that the clip is made from. Providers take the one of `path` and `url` that suits them."""

    @property
    def role(self) -> InputRole:
        """What the file is to the clip."""
        ...

    @property
    def name(self) -> str | None:
        """The name by which the prompt refers to it."""
        ...

    @property
    def content_type(self) -> str:
        """Its content type, found by its bytes."""
        ...

    @property
    def size_bytes(self) -> int:
        """Its size in bytes."""
        ...

    async def path(self) -> Path:
        """Return the file in the order's workdir, fetched at the first call. Raises Failure when it cannot be read."""
        ...

    async def url(self) -> str | None:
        """Return a signed address that serves the file for at least an hour; None without an address from outside."""
        ...


@dataclass(frozen=True, slots=True)
class OrderLease:
    """The right to render the take: it ends when another worker claims the take with a higher `run`."""

    run: int
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A request for one clip.

    `key` is unique to the take and stable over restarts: an idempotency key. `number` counts the takes of the scene
    from 1. `workdir` is an empty folder, which the caller creates and removes; all files of the result are in it.

    `fresh`: no worker has submitted the order before, so that there is nothing to search for. `started_at` is when the
    take was started, by the clock of the database; nothing was submitted before. `unsettled` are earlier orders for
    the same prompt that may have come to a clip, newest first: a provider that costs money uses that clip, if it also
    fits the rest of the order, before it makes another.

    `settings` are complete: those of the scene, of its job and of the model, in this order; they and `inputs` fit the
    model that `Provider.models` described when the order was accepted. `traceparent` is the header of W3C Trace Context
    for requests on behalf of the order.
    """

    key: str
    number: int
    prompt: str
    title: str | None
    duration_seconds: float
    metadata: Mapping[str, object]
    workdir: Path
    fresh: bool = False
    started_at: datetime | None = None
    unsettled: tuple[EarlierOrder, ...] = ()
    settings: Settings = NO_SETTINGS
    inputs: tuple[InputFile, ...] = ()
    lease: OrderLease | None = None
    traceparent: str | None = None


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
class Cost:
    """What the provider charges for the clip, such as 0.35 "USD"; `currency` is an ISO 4217 code."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Made:
    """How the clip was really made, as the provider reports it; the take keeps it.

    `settings` are those that were used, the seed included; None: those of the order. `ignored` names the settings and
    inputs of the order that had no effect, such as "seed" or "inputs.0". `metrics` are further figures, such as
    {"predictSeconds": 41.5}.
    """

    settings: Settings | None = None
    ignored: tuple[str, ...] = ()
    cost: Cost | None = None
    metrics: Mapping[str, object] = field(default_factory=dict[str, object])


UNREPORTED = Made()


@dataclass(frozen=True, slots=True)
class Rendered:
    """The result of an order: the clip, a poster and a short animated preview of it, these two at most 30 kB each.

    The caller looks at the clip before it believes in it, finds out its type, size and duration, and makes the pictures
    that are missing; what the clip says about itself counts for nothing unless it is `checked`, which means that the
    process that made it has found by `providers.inspection.look.passes` that it can be shown. `repeatable`: another
    attempt costs nothing, so that an automatic retry may follow a clip that cannot be shown.
    """

    clip: Asset
    poster: Asset | None = None
    preview: Asset | None = None
    checked: bool = False
    repeatable: bool = False
    made: Made = UNREPORTED


class Failure(Exception):
    """The provider could not make the clip. `retryable`: whether another attempt may succeed.

    `retries` limits how often a failure of this code is retried automatically, where each attempt costs money and the
    reason is unknown; None: as often as the scene allows. `unsettled`: the order may still come to a clip, or has, so
    that the next take looks for it first (`Order.unsettled`).
    """

    def __init__(
        self, code: str, message: str, *, retryable: bool, retries: int | None = None, unsettled: bool = False
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retries = retries
        self.unsettled = unsettled


class Provider(Protocol):
    """Makes clips. Every method may raise Failure; any other exception is handled as a defect of the provider."""

    @property
    def name(self) -> str:
        """The name by which a job chooses the provider, e.g. "local"."""
        ...

    async def models(self) -> Sequence[Model]:
        """Return what can be ordered, the default first. Answers at once, from what it knows; it never raises."""
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
