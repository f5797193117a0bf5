"""The shape of a model's input by its own schema: https://replicate.com/docs/reference/openapi."""

from collections.abc import Mapping
from dataclasses import dataclass

from providers import catalogue
from providers.hosted.mapping import Mapped, mapped
from providers.hosted.schema import Schema, is_object
from providers.hosted.seeds import seed_of
from providers.port import Order
from providers.replicate.marks import Place


@dataclass(frozen=True, slots=True)
class Described:
    """A shape (`model.Shape`) with the fields of a model by their meaning."""

    fields: Mapped

    @property
    def seed_place(self) -> Place | None:
        """The field of the seed."""
        return None if self.fields.seed is None else (self.fields.seed.name,)

    @property
    def takes_files(self) -> bool:
        """Whether the model has fields for files."""
        return bool(self.fields.files)

    def described(self, name: str) -> catalogue.Model:
        """Return what the model can do."""
        return self.fields.model(name)

    def check(self, order: Order) -> None:
        """Raise Failure (INVALID_INPUT) when the model cannot make the order."""
        self.fields.check(order)

    def input(self, order: Order, files: Mapping[int, str] | None = None) -> dict[str, object]:
        """Return the input for an order."""
        return self.fields.input(order, self.seed_for(seed_of(order)), files or {})

    def seed_for(self, seed: int) -> int:
        """Return a seed within the bounds of the model."""
        return self.fields.seed_for(seed)

    def ignored(self, order: Order) -> tuple[str, ...]:
        """Return which settings of the order have no effect."""
        return self.fields.ignored(order)


def described(openapi: Schema) -> Described:
    """Return the shape by the OpenAPI schema of a model's version. Raises ValueError for an unusable one."""
    components = openapi.get("components")
    schemas = components.get("schemas") if is_object(components) else None
    return Described(mapped(openapi, schemas.get("Input") if is_object(schemas) else None))
