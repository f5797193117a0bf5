"""The limits of one document, checked after parsing and before validation on every transport.

Strawberry's own limiters expand fragments, which takes exponential time for nested ones; here each is measured once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
)

from server.transports.documents.cost import CostAnalyzer
from server.transports.documents.documents import ParsedDocument, parsed_document
from server.transports.documents.page_sizes import page_sizes, page_variables
from server.transports.documents.params import Params
from server.transports.documents.variable_lists import kinds_of, longest_list
from server.transports.errors import TransportCode
from server.transports.limits import DocumentLimits


@dataclass(frozen=True, slots=True)
class MeasuredDocument:
    """The measures of one operation and its document."""

    depth: int
    introspection_depth: int
    aliases: int
    directives: int
    root_fields: int
    mutations: int
    repeats: int
    cost: int


class Admitted(NamedTuple):
    """An operation that may be validated and executed."""

    kind: OperationType
    cost: int | None = None
    """None without a DocumentLimiter."""
    parsed: ParsedDocument | None = None
    operation: OperationDefinitionNode | None = None

    @property
    def name(self) -> str | None:
        """The name that the document gives the operation, if any."""
        name = None if self.operation is None else self.operation.name
        return None if name is None else name.value


class DocumentLimiter:
    """Measures documents of one schema. Measures are kept as long as the syntax trees."""

    def __init__(self, schema: GraphQLSchema, limits: DocumentLimits) -> None:
        self.limits = limits
        self._schema = schema

    def admit(self, params: Params) -> Admitted:
        """Return the operation and its cost.

        Raises a coded GraphQLError when the document cannot be parsed, does not determine the operation or exceeds a
        limit.
        """
        self._check("characters", len(params.query))
        parsed = self._parse(params.query)
        operation, name = parsed.operation(params.operation_name), params.operation_name
        if params.variables:
            kinds = parsed.derived((self, name, "kinds"), lambda: kinds_of(self._schema, operation))
            self._check("items", longest_list(kinds, params.variables))
        names = parsed.derived("page variables", lambda: page_variables(parsed.document))
        sizes = tuple(sorted(page_sizes(names, operation, params.variables).items())) if names else ()
        try:
            measured, fits = parsed.derived(
                (self, name, sizes), lambda: self._measure_and_compare(parsed.document, operation, sizes)
            )
        except RecursionError:
            raise self.limit_exceeded("depth") from None
        if not fits:
            for each in _MEASURES:
                self._check(each, getattr(measured, each))
        return Admitted(operation.operation, measured.cost, parsed, operation)

    def limit_exceeded(self, limit: str, found: int | None = None) -> GraphQLError:
        """Return the error for one limit; `found` is the measure, if known."""
        most: int = getattr(self.limits, limit)
        extensions: dict[str, object] = {"code": TransportCode.LIMIT_EXCEEDED, "limit": limit, "most": most}
        measure = _LABELS[limit]
        if found is not None:
            extensions["found"] = found
            measure = f"{measure} {found}"
        return GraphQLError(f"{measure} exceeds the limit of {most}", extensions=extensions)

    def _parse(self, query: str) -> ParsedDocument:
        try:
            return parsed_document(query, self.limits.tokens)
        except GraphQLSyntaxError as error:
            if error.message.endswith(f"contains more than {self.limits.tokens} tokens. Parsing aborted."):
                raise self.limit_exceeded("tokens") from None
            raise

    def _measure_and_compare(
        self, document: DocumentNode, operation: OperationDefinitionNode, sizes: tuple[tuple[str, int], ...]
    ) -> tuple[MeasuredDocument, bool]:
        """Return the measures, and whether they are within the limits."""
        measured = self._measure(document, operation, sizes)
        return measured, all(getattr(measured, name) <= getattr(self.limits, name) for name in _MEASURES)

    def _measure(
        self, document: DocumentNode, operation: OperationDefinitionNode, sizes: tuple[tuple[str, int], ...]
    ) -> MeasuredDocument:
        analyzer = CostAnalyzer(self._schema, document, dict(sizes))
        total = analyzer.analyze(operation)
        return MeasuredDocument(
            depth=total.depth,
            introspection_depth=total.introspection_depth,
            aliases=max(total.aliases, analyzer.aliases),
            directives=max(total.directives, analyzer.directives),
            root_fields=total.fields,
            mutations=total.fields if operation.operation is OperationType.MUTATION else 0,
            repeats=analyzer.repeats,
            cost=max(1, total.cost),
        )

    def _check(self, name: str, found: int) -> None:
        if found > getattr(self.limits, name):
            # Nested fragments can multiply to numbers of more digits than Python prints.
            raise self.limit_exceeded(name, found if found < _PRINTABLE else None)


_MEASURES: Final = tuple(each.name for each in fields(MeasuredDocument))
_PRINTABLE: Final = 10**9
_LABELS: Final[Mapping[str, str]] = {
    "depth": "Nesting depth",
    "introspection_depth": "Nesting depth of introspection",
    "aliases": "Number of aliases",
    "directives": "Number of directives",
    "tokens": "Number of tokens",
    "characters": "Number of characters",
    "root_fields": "Number of root fields",
    "mutations": "Number of mutations",
    "cost": "Cost",
    "repeats": "Number of repeated fields",
    "items": "Number of list items",
}
