"""The parts of Strawberry and graphql-core that this server uses although they are not public API.

Tried with strawberry-graphql 0.341.2, which excludes graphql-core 3.4, and graphql-core 3.3.2; pyproject.toml excludes
strawberry-graphql 0.342.
tests/unit/test_framework_internals.py fails when one of these parts changes.
"""

from enum import StrEnum
from typing import Any, Final

import strawberry
from graphql import ASTValidationRule, Executor, GraphQLSchema
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition

from execution.executors import PlanAwareExecutor

STRAWBERRY_RULES: Final[tuple[type[ASTValidationRule], ...]] = (MaybeNullValidationRule, OneOfInputValidationRule)
"""The validation rules that Strawberry adds to those of graphql-core when it validates a document itself."""


class Execution(PlanAwareExecutor, StrawberryGraphQLCoreExecutionContext):
    """Executes an operation, without the memory leak of long subscriptions. It knows plans (`execution.executors`).

    graphql-core caches the subfields it collects by the identity of lists that it creates for every event: 3 KB per
    event, kept until the stream ends. Each event therefore gets an empty cache.
    """

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        self._relevant_sub_fields = {}
        return super().build_per_event_executor(payload)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # its base is of an open generic


class DiscreetExecution(Execution):
    """Executes an operation; errors of variables and arguments suggest no names of the schema."""

    @classmethod
    def build(cls, *args: Any, **kwargs: Any) -> Any:
        kwargs["hide_suggestions"] = True
        return super().build(*args, **kwargs)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # its base is of an open generic


def core_schema(schema: strawberry.Schema) -> GraphQLSchema:
    """Return graphql-core's schema, which Strawberry wraps."""
    return schema._schema  # pyright: ignore[reportPrivateUsage]  # there is no public accessor


def enum_definition(kind: type[StrEnum]) -> StrawberryEnumDefinition:
    """Return the mutable definition of a registered enum; it is the only way to describe a value of an enum that is
    defined without Strawberry."""
    if not has_enum_definition(kind):
        raise TypeError(f"{kind.__name__} is not registered with strawberry.enum")
    return kind.__strawberry_definition__
