"""What the selections of an object depend on besides its version, and those of an operation besides stored rows."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    BooleanValueNode,
    FieldNode,
    GraphQLObjectType,
    OperationDefinitionNode,
    VariableNode,
    is_composite_type,
    is_object_type,
)
from graphql.language import Visitor, visit
from strawberry.types.field import StrawberryField

from execution.kinds import named
from execution.relations import NEEDS, RELATION
from execution.selections import Selections
from execution.sites import DEFINITION
from execution.versions import STORED, VERSIONED, Versioned, VersionedColumns


@dataclass(slots=True)
class Dependence:
    """What an object depends on besides its version, or an answer besides stored rows."""

    moving: bool = False
    """Whether it depends on `FragmentOf.moving`."""

    keys: dict[Callable[[Any], Hashable], None] = field(default_factory=dict[Callable[[Any], Hashable], None])
    """The functions `Versioned.key` of its fields."""

    variables: dict[str, None] = field(default_factory=dict[str, None])
    """The variables that its arguments use."""


def dependence(selections: Selections, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Dependence | None:
    """Return what an object of this type depends on; None when it may change without its version."""
    found = Dependence()
    return found if _all_declare(selections, kind, nodes, found, _changes_with_version) else None


def dependence_of_answer(
    selections: Selections, root: GraphQLObjectType, operation: OperationDefinitionNode
) -> Dependence | None:
    """Return what a query's answer depends on; None when it may change while all stored rows stay the same."""
    found = Dependence()
    return found if _all_declare(selections, root, [operation], found, _changes_with_rows) else None


Declares = Callable[[GraphQLObjectType, StrawberryField, FieldNode, Dependence], bool]
"""Adds what a field depends on; returns whether it declares that it depends on nothing else."""


def _all_declare(
    selections: Selections,
    kind: GraphQLObjectType,
    nodes: Sequence[FieldNode | OperationDefinitionNode],
    found: Dependence,
    declares: Declares,
) -> bool:
    for same in selections.fields(kind, [node.selection_set for node in nodes]).values():
        name = same[0].name.value
        if name == "__typename":
            continue
        defined = kind.fields.get(name)
        definition = None if defined is None else defined.extensions.get(DEFINITION)
        if defined is None or not isinstance(definition, StrawberryField) or definition.extensions:
            return False
        if not declares(kind, definition, same[0], found):
            return False
        of_field: Any = defined.type  # pyright: ignore[reportUnknownMemberType] # generic types of graphql-core are open
        inner = named(of_field)
        if is_composite_type(inner) and not (
            is_object_type(inner) and _all_declare(selections, inner, same, found, declares)
        ):
            return False
    return True


def _changes_with_version(
    kind: GraphQLObjectType, definition: StrawberryField, node: FieldNode, found: Dependence
) -> bool:
    versioned: Versioned | None = definition.metadata.get(VERSIONED)
    if versioned is None:
        columns: VersionedColumns | None = _declared(kind, "versioned_columns")
        if columns is None or not _is_plain(definition):
            return False
        found.moving = found.moving or definition.python_name in columns.moving
        return True
    for argument in node.arguments or ():
        is_false = isinstance(argument.value, BooleanValueNode) and not argument.value.value
        if argument.name.value in versioned.unless and not is_false:
            return False
        variables = _Variables()
        visit(argument, variables)
        found.variables |= variables.found
    found.moving = found.moving or versioned.moving
    if versioned.key is not None:
        found.keys[versioned.key] = None
    return True


def _changes_with_rows(
    kind: GraphQLObjectType, definition: StrawberryField, _node: FieldNode, found: Dependence
) -> bool:
    versioned: Versioned | None = definition.metadata.get(VERSIONED)
    if versioned is not None:
        if versioned.key is not None:
            found.keys[versioned.key] = None
        return True
    if STORED in definition.metadata:
        return True
    of_stored = _declared(kind, "versioned_columns") is not None or _declared(kind, "stored_columns") is True
    return of_stored and _is_plain(definition)


def _declared(kind: GraphQLObjectType, name: str) -> Any:
    """Return what the class of a type declares."""
    return getattr(getattr(kind.extensions.get(DEFINITION), "origin", None), name, None)


def _is_plain(definition: StrawberryField) -> bool:
    return definition.is_basic_field and not definition.metadata.keys() & {RELATION, NEEDS}


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, None] = {}

    def enter_variable(self, node: VariableNode, *_others: Any) -> None:
        self.found[node.name.value] = None
