"""The selected fields of a subscription, as Strawberry shows them to resolvers."""

from collections.abc import Sequence
from typing import Any

from graphql import DocumentNode, FieldNode, FragmentDefinitionNode
from strawberry.types.nodes import (
    Selection,
    convert_selections,  # pyright: ignore[reportUnknownVariableType]  # its parameter is of an open generic
)


def selection(document: DocumentNode, field: FieldNode) -> Sequence[Selection]:
    """Return the selection of the root field of a valid document, without the values of variables."""
    return convert_selections(_Info(document), [field])  # pyright: ignore[reportArgumentType]  # it reads no more


class _Info:
    def __init__(self, document: DocumentNode) -> None:
        definitions = [each for each in document.definitions if isinstance(each, FragmentDefinitionNode)]
        self.fragments = {each.name.value: each for each in definitions}
        self.variable_values: dict[str, Any] = {}
