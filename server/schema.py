"""The executable schema: every part of the vocabulary and all verbs in one place."""

from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig

from resolvers import Mutation, Query
from schema.errors import ERROR_TYPES
from schema.scalars import SCALARS
from schema.types import SceneTake
from server.masking import MaskedSchema
from subscriptions import Subscription


def executable_schema() -> MaskedSchema:
    """A schema object; made once per process."""
    return MaskedSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        # Reached through interfaces only.
        types=[SceneTake, *ERROR_TYPES],
        config=StrawberryConfig(scalar_map=SCALARS),
    )


def sdl() -> str:
    """The schema as text, as `make schema` prints it."""
    return print_schema(executable_schema()) + "\n"
