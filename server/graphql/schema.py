"""The executable schema: queries, mutations, subscriptions and all types."""

from functools import cache

from graphql import ASTValidationRule, NoSchemaIntrospectionCustomRule
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.utils.str_converters import to_camel_case

from resolvers import Mutation, Query
from schema.errors import ERROR_TYPES
from schema.scalars import SCALARS
from schema.takes import SceneTake
from schema.webhooks import WebhookDelivery
from server.graphql.masking import MaskedSchema
from subscriptions import Subscription

_camel_case = cache(to_camel_case)


class _Names(NameConverter):
    """Strawberry's names, which it derives again for each field of each input of a request."""

    def apply_naming_config(self, name: str) -> str:
        return _camel_case(name)


@cache
def executable_schema(
    *, introspection: bool = True, suggestions: bool = True, max_tokens: int | None = None
) -> MaskedSchema:
    """Return the schema. It is stateless, so each combination of arguments is built once per process."""
    rules: list[type[ASTValidationRule]] = [] if introspection else [NoSchemaIntrospectionCustomRule]
    return MaskedSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        # Types that no field returns except through an interface.
        types=[SceneTake, WebhookDelivery, *ERROR_TYPES],
        config=StrawberryConfig(scalar_map=SCALARS, name_converter=_Names()),
        rules=rules,
        suggestions=suggestions,
        max_tokens=max_tokens,
    )


def sdl() -> str:
    """Return the schema in GraphQL's schema definition language, as `make schema` prints it."""
    return print_schema(executable_schema()) + "\n"
