"""The catalogue: what the models of the configured providers can do."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from models.db.cancellation import raise_if_cancelled
from models.domain import settings
from models.domain.access import EXTERNAL, LEASED
from models.domain.errors import Unavailable
from providers.catalogue import DEFAULT_MODEL_NAME, Model, any_model, plain_model
from providers.port import Provider

log = logging.getLogger(__name__)

OPEN_PROVIDERS = frozenset({EXTERNAL, LEASED})
"""Providers that accept any model name, also one that no worker has reported yet."""

OfProviders = Mapping[str, Sequence[Model]]


class Models(NamedTuple):
    """The models of one moment, by the name of their provider; the first of each is its default."""

    of: OfProviders

    def find(self, provider: str, name: str | None) -> Model | None:
        """Return the model of this name, the default for None; None when the provider has no such model.

        Of an open provider, and of one that is not in the catalogue, it is a model that can do everything.
        """
        for model in self.of.get(provider, ()):
            if model.name == name or (name is None and not self.is_open(provider)):
                return model
        return any_model(name or DEFAULT_MODEL_NAME) if self.is_open(provider) else None

    def is_open(self, provider: str) -> bool:
        """Whether the provider takes orders for models that are not in the catalogue."""
        return provider in OPEN_PROVIDERS or provider not in self.of

    def effective(self, provider: str, own: settings.Stored, of_job: settings.Stored) -> dict[str, Any]:
        """Return the settings of an order, as they are stored: a scene's own, then its job's, then the model's."""
        asked = settings.folded(own, of_job)
        return settings.folded(asked, self.defaults(provider, asked))

    def defaults(self, provider: str, asked: settings.Stored) -> dict[str, Any]:
        """Return the settings, as they are stored, that the model has where nothing else is asked; none if unknown."""
        model = None if self.is_open(provider) else self.find(provider, (asked or {}).get("model"))
        return {} if model is None else settings.folded({"model": model.name}, settings.stored(model.defaults))


EVERYTHING = Models({})
"""The catalogue without any provider: every model can do everything."""


class Source(Protocol):
    """A source of models besides those of the providers of this process."""

    async def __call__(self) -> OfProviders:
        """Return the models by the name of their provider. Answers soon; an error leaves the former ones in place."""
        ...


class Catalogue:
    """What the providers of this process and further sources offer now.

    `latest` is what was read last, and `edition` differs between two readings that differ.
    """

    def __init__(self, providers: Mapping[str, Provider] | None = None, sources: Sequence[Source] = ()) -> None:
        self._providers = providers or {}
        self._sources = tuple(sources)
        self._of_source: dict[Source, OfProviders] = {}
        self.latest = Models({name: (plain_model(),) for name in self._providers})
        self.edition = 0

    async def models(self) -> Mapping[str, Sequence[Model]]:
        """Return the models of every provider that has any, its default first."""
        return (await self.read()).of

    async def read(self) -> Models:
        """Read the models, and return them."""
        found: dict[str, Sequence[Model]] = {}
        for name, provider in self._providers.items():
            found[name] = await self._of_provider(name, provider)
        for source in self._sources:
            found |= await self._from(source)
        if found != self.latest.of:
            self.latest = Models(found)
            self.edition += 1
        return self.latest

    async def _of_provider(self, name: str, provider: Provider) -> Sequence[Model]:
        """Return the models of a provider; one of a package that is older than the catalogue has a plain one."""
        if not describes_models(provider):
            return (plain_model(),)
        try:
            return tuple(await provider.models())
        except Exception as error:
            raise_if_cancelled(error)
            log.exception("the models of the provider %s cannot be read", name, extra={"action": "catalogue.failed"})
            return self.latest.of[name]

    async def _from(self, source: Source) -> OfProviders:
        try:
            self._of_source[source] = await source()
        except Unavailable as error:
            raise_if_cancelled(error)
            log.warning("a source of models cannot be read: %s", error, extra={"action": "catalogue.unavailable"})
        except Exception as error:
            raise_if_cancelled(error)
            log.exception("a source of models cannot be read", extra={"action": "catalogue.failed"})
        return self._of_source.get(source, {})


def describes_models(provider: object) -> bool:
    """Whether the provider has a catalogue. Those of other packages may be older than it."""
    return callable(getattr(provider, "models", None))
