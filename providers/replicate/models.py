"""The configured models: those with a template are known at once, the schemas of the others are read from Replicate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from providers import catalogue
from providers.hosted.reading import Reading
from providers.hosted.retrying import Pace
from providers.port import Failure, Order
from providers.replicate.described import described
from providers.replicate.marks import Place
from providers.replicate.model import Model

if TYPE_CHECKING:
    # Its library is imported with the first request.
    from providers.replicate.api import Api

# The seed of every model whose schema is read.
SEED: Place = ("seed",)
NEEDS_A_MARK = (
    "it takes no seed, so that an https PUBLIC_URL or REPLICATE_CALLBACK_URL is needed to find a paid clip again "
    "after a crash"
)


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The https URL of this server, without a trailing slash, or empty; and whether it handles callbacks."""

    address: str = ""
    listening: bool = False


class Models:
    """The models of the provider, the default first: `fixed` have a template, `names` are owner/name[:version]."""

    def __init__(
        self,
        api: Api,
        pace: Pace,
        fixed: Sequence[Model] = (),
        names: Sequence[str] = (),
        callbacks: Callbacks = Callbacks(),
    ) -> None:
        self._api = api
        self._callbacks = callbacks
        self._fixed = {model.version: model for model in fixed}
        self._read = {name: Reading(name, self._reader(name), pace) for name in names if name not in self._fixed}
        self._names = [*self._fixed, *self._read]

    @property
    def places(self) -> frozenset[Place]:
        """The places of seeds in the inputs of all models."""
        return frozenset((SEED, *(place for each in self._fixed.values() if (place := each.shape.seed_place))))

    def described(self) -> Sequence[catalogue.Model]:
        """Return what is known of the models, and begin to read what is not."""
        for reading in self._read.values():
            reading.start()
        return tuple(self._model(name) for name in self._names)

    async def of(self, order: Order) -> Model:
        """Return the model of an order. Raises Failure when there is none, or its schema cannot be read."""
        name = order.settings.model or self._names[0]
        if name in self._fixed:
            return self._fixed[name]
        if name not in self._read:
            raise Failure("NOT_FOUND", f"The model {name} is not configured any more.", retryable=False)
        return await self._read[name].get()

    async def soon(self, order: Order) -> Model | None:
        """Return the model of an order; None when there is none, or its schema cannot be read soon."""
        name = order.settings.model or self._names[0]
        if name in self._read:
            return await self._read[name].soon()
        return self._fixed.get(name)

    async def close(self) -> None:
        """Stop to read."""
        for reading in self._read.values():
            await reading.close()

    def _model(self, name: str) -> catalogue.Model:
        if name in self._fixed:
            return self._fixed[name].shape.described(name)
        reading = self._read[name]
        if reading.known is None:
            return replace(catalogue.any_model(name), available=False, unavailable_reason=reading.problem)
        found = reading.known.shape.described(name)
        return replace(found, available=reading.problem is None, unavailable_reason=reading.problem)

    def _reader(self, name: str) -> Callable[[], Awaitable[Model]]:
        async def read() -> Model:
            whole, _, version = name.partition(":")
            owner, _, short = whole.partition("/")
            shape = described(await self._api.schema(owner, short, version or None))
            if not self._callbacks.address and shape.seed_place is None:
                raise ValueError(NEEDS_A_MARK)
            return Model(name, shape, self._callbacks.address, listening=self._callbacks.listening)

        return read
