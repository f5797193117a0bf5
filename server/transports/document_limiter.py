"""How much one document may ask for. It is checked after parsing and before validation, on every transport.

Strawberry's own limiters expand fragments: of exponentially many they never come back. Here each is measured once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Final

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
)

from server.transports.cost import CostAnalyzer, page_sizes, page_variables
from server.transports.documents import CACHED_DOCUMENTS, find_operation, is_cacheable, parse_document
from server.transports.errors import TransportCode
from server.transports.params import Params
from server.transports.variable_lists import longest_list


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """The most that is accepted of each."""

    depth: int = 8
    """Levels of fields below the first; within introspection `introspection_depth` counts instead."""

    aliases: int = 15
    directives: int = 20
    tokens: int = 1_000
    characters: int = 15_000
    root_fields: int = 5
    mutations: int = 4

    cost: int = 1_000
    """By the rules of `cost`."""

    repeats: int = 50
    """Fields that stand in their selection set already."""

    items: int = 1_000
    """Of one list in the variables: each is checked and converted in Python."""

    introspection_depth: int = 20
    """GraphiQL's own query is 14 levels deep."""


@dataclass(frozen=True, slots=True)
class MeasuredDocument:
    """What was found of one operation in its document."""

    depth: int
    introspection_depth: int
    aliases: int
    directives: int
    root_fields: int
    mutations: int
    repeats: int
    cost: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """An operation that may be validated and executed."""

    kind: OperationType
    cost: int | None = None
    """None where nobody counts."""


class DocumentLimiter:
    """Made once per schema; what it found of a document is kept as long as the document."""

    def __init__(self, schema: GraphQLSchema, limits: DocumentLimits) -> None:
        self.limits = limits
        self._schema = schema
        self._measure_cached = lru_cache(CACHED_DOCUMENTS)(self._measure)
        self._variables_cached = lru_cache(CACHED_DOCUMENTS)(page_variables)

    def admit(self, params: Params) -> Admitted:
        """Raise a coded GraphQLError when the document cannot be parsed, is ambiguous, or asks for too much."""
        self._within("characters", len(params.query))
        document = self._parsed(params.query)
        operation = find_operation(document, params.operation_name)
        self._within("items", longest_list(self._schema, operation, params.variables or {}))
        cacheable = is_cacheable(params.query)
        names = (self._variables_cached if cacheable else page_variables)(document)
        sizes = tuple(sorted(page_sizes(names, operation, params.variables).items()))
        try:
            measured = (self._measure_cached if cacheable else self._measure)(document, operation, sizes)
        except RecursionError:
            raise self.refusal("depth") from None
        for name in _MEASURES:
            self._within(name, getattr(measured, name))
        return Admitted(operation.operation, measured.cost)

    def refusal(self, limit: str, found: int | None = None) -> GraphQLError:
        """The error for one limit, which it names."""
        most: int = getattr(self.limits, limit)
        said = f"at most {most}" if found is None else f"{found}, at most {most}"
        extensions: dict[str, object] = {"code": TransportCode.LIMIT_EXCEEDED, "limit": limit, "most": most}
        if found is not None:
            extensions["found"] = found
        return GraphQLError(f"The operation asks for too much: {_WORDS[limit]} {said}", extensions=extensions)

    def _parsed(self, query: str) -> DocumentNode:
        try:
            return parse_document(query, self.limits.tokens)
        except GraphQLSyntaxError as error:
            if error.message.endswith(f"contains more than {self.limits.tokens} tokens. Parsing aborted."):
                raise self.refusal("tokens") from None
            raise

    def _measure(
        self, document: DocumentNode, operation: OperationDefinitionNode, sizes: tuple[tuple[str, int], ...]
    ) -> MeasuredDocument:
        scales = CostAnalyzer(self._schema, document, dict(sizes))
        weight = scales.analyze(operation)
        return MeasuredDocument(
            depth=weight.depth,
            introspection_depth=weight.introspection_depth,
            aliases=max(weight.aliases, scales.aliases),
            directives=max(weight.directives, scales.directives),
            root_fields=weight.fields,
            mutations=weight.fields if operation.operation is OperationType.MUTATION else 0,
            repeats=scales.repeats,
            cost=max(1, weight.cost),
        )

    def _within(self, name: str, found: int) -> None:
        if found > getattr(self.limits, name):
            # Fragments can multiply to numbers of more digits than anybody may print.
            raise self.refusal(name, found if found < _COUNTABLE else None)


_MEASURES: Final = tuple(each.name for each in fields(MeasuredDocument))
_COUNTABLE: Final = 10**9
_WORDS: Final[Mapping[str, str]] = {
    "depth": "levels of nesting",
    "introspection_depth": "levels of nesting in introspection",
    "aliases": "aliases",
    "directives": "directives",
    "tokens": "tokens",
    "characters": "characters",
    "root_fields": "fields of the operation itself",
    "mutations": "mutations",
    "cost": "cost",
    "repeats": "repeated fields",
    "items": "items of a list",
}
