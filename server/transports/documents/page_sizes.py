"""Page sizes in a document and its variables, converted as the executor converts them."""

from collections.abc import Iterable, Mapping
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLInt,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    VariableNode,
)

MAX_PAGE_SIZE: Final = 100
"""The resolver rejects a larger page, or one of less than one item; such a page costs one item."""
PAGE_ARGUMENTS: Final = ("first", "last")


def page_variables(document: DocumentNode) -> frozenset[str]:
    """Return the variables used as page sizes; each node is visited once."""
    found: set[str] = set()
    unvisited = [
        node.selection_set
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    while unvisited:
        for selection in unvisited.pop().selections:
            if isinstance(selection, FieldNode):
                found.update(
                    argument.value.name.value
                    for argument in selection.arguments or ()
                    if argument.name.value in PAGE_ARGUMENTS and isinstance(argument.value, VariableNode)
                )
            if isinstance(selection, FieldNode | InlineFragmentNode) and selection.selection_set is not None:
                unvisited.append(selection.selection_set)
    return frozenset(found)


def page_sizes(
    names: Iterable[str], operation: OperationDefinitionNode, variables: Mapping[str, object] | None
) -> dict[str, int]:
    """Return the page size of each variable with a value, from the request or from the operation's defaults."""
    given = variables or {}
    defaults = {
        node.variable.name.value: literal_page_size(node.default_value)
        for node in operation.variable_definitions or ()
        if isinstance(node.default_value, IntValueNode)
    }
    sizes = {name: page_size(given[name]) if name in given else defaults.get(name) for name in names}
    return {name: size for name, size in sizes.items() if size is not None}


def page_size(value: object) -> int | None:
    """Return the number of items that will be read for the value of a variable: 1 for a value that is rejected; None
    for null, which stands for the default.

    The executor itself converts the value: JSON has many spellings of an integer, such as 100.0 and 1e2.
    """
    if value is None:
        return None
    try:
        return effective_page_size(GraphQLInt.parse_value(value)) if isinstance(value, int | float) else 1
    except GraphQLError:
        return 1


def literal_page_size(node: IntValueNode) -> int:
    """Return the number of items that will be read for a literal: 1 for a number that is rejected."""
    try:
        return effective_page_size(GraphQLInt.parse_literal(node))
    except GraphQLError:
        return 1


def effective_page_size(number: int) -> int:
    """Return the number of items that will be read: 1 for a size that the resolver rejects."""
    return number if 1 <= number <= MAX_PAGE_SIZE else 1
