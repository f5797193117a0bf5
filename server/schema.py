"""The executable schema: every part of the vocabulary and all verbs in one place."""

from graphql import ASTValidationRule, NoSchemaIntrospectionCustomRule
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig

from resolvers import Mutation, Query
from schema.errors import ERROR_TYPES
from schema.scalars import SCALARS
from schema.takes import SceneTake
from schema.webhooks import WebhookDelivery
from server.masking import MaskedSchema
from subscriptions import Subscription


def executable_schema(
    *, introspection: bool = True, suggestions: bool = True, max_tokens: int | None = None
) -> MaskedSchema:
    """A schema object; made once per process."""
    rules: list[type[ASTValidationRule]] = [] if introspection else [NoSchemaIntrospectionCustomRule]
    return MaskedSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        # Reached through interfaces only.
        types=[SceneTake, WebhookDelivery, *ERROR_TYPES],
        config=StrawberryConfig(scalar_map=SCALARS),
        rules=rules,
        suggestions=suggestions,
        max_tokens=max_tokens,
    )


def sdl() -> str:
    """The schema as text, as `make schema` prints it."""
    return print_schema(executable_schema()) + "\n"
