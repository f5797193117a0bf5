"""The fields that an operation selects of a type (CollectFields of the GraphQL specification)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    is_abstract_type,
)

from execution.deviation import DIRECTIVE, UNKNOWN, Unsupported

Fields = dict[str, list[FieldNode]]
"""The nodes of each field by response key, in the order of the response."""

Conditions = Mapping[str, bool]
"""The values of the variables that @skip and @include use."""


class Selections:
    """Collects fields for one operation and one set of conditions. The document must be valid."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, conditions: Conditions) -> None:
        self._schema = schema
        self._fragments = fragments_of(document)
        self._conditions = conditions

    def fields(self, kind: GraphQLObjectType, sets: Iterable[SelectionSetNode | None]) -> Fields:
        """Return the fields that the selection sets select of an object type, merged by response key."""
        found: Fields = {}
        visited = set[str]()
        for each in sets:
            if each is not None:
                self._collect(kind, each, found, visited)
        return found

    def _collect(self, kind: GraphQLObjectType, selections: SelectionSetNode, found: Fields, visited: set[str]) -> None:
        for node in selections.selections:
            if not self._included(node):
                continue
            match node:
                case FieldNode():
                    found.setdefault((node.alias or node.name).value, []).append(node)
                case InlineFragmentNode():
                    if self._applies(node.type_condition, kind):
                        self._collect(kind, node.selection_set, found, visited)
                case FragmentSpreadNode():
                    name = node.name.value
                    if name in visited:
                        continue
                    fragment = self._fragments[name]
                    if self._applies(fragment.type_condition, kind):
                        visited.add(name)
                        self._collect(kind, fragment.selection_set, found, visited)
                case _:
                    raise Unsupported(UNKNOWN)

    def _included(self, node: SelectionNode) -> bool:
        included = True
        for directive in node.directives or ():
            name = directive.name.value
            if name not in _CONDITIONAL:
                raise Unsupported(DIRECTIVE)
            values = [argument.value for argument in directive.arguments or ()]
            included = included and self._condition(values[0]) is (name == "include")
        return included

    def _condition(self, value: Any) -> bool:
        match value:
            case BooleanValueNode():
                return value.value
            case VariableNode():
                return self._conditions[value.name.value]
            case _:
                raise Unsupported(DIRECTIVE)

    def _applies(self, condition: NamedTypeNode | None, kind: GraphQLObjectType) -> bool:
        if condition is None or condition.name.value == kind.name:
            return True
        wider = self._schema.get_type(condition.name.value)
        return wider is not None and is_abstract_type(wider) and self._schema.is_sub_type(wider, kind)


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """Return the fragments of a document by name."""
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def condition_variables(document: DocumentNode, operation: OperationDefinitionNode) -> tuple[str, ...]:
    """Return the variables of the operation that @skip and @include use, sorted by name."""
    own = {each.variable.name.value for each in operation.variable_definitions or ()}
    sets = [operation.selection_set, *(each.selection_set for each in fragments_of(document).values())]
    return tuple(sorted(own.intersection(_conditional_variables(sets))))


def _conditional_variables(sets: Sequence[SelectionSetNode]) -> Iterator[str]:
    pending = list(sets)
    while pending:
        for node in pending.pop().selections:
            for directive in node.directives or ():
                for argument in directive.arguments or ():
                    if directive.name.value in _CONDITIONAL and isinstance(argument.value, VariableNode):
                        yield argument.value.name.value
            if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set is not None:
                pending.append(node.selection_set)


_CONDITIONAL = frozenset({"skip", "include"})
