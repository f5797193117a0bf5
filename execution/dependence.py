"""What the selections of an object depend on besides its version."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import BooleanValueNode, FieldNode, GraphQLObjectType, VariableNode, is_composite_type, is_object_type
from graphql.language import Visitor, visit
from strawberry.types.field import StrawberryField

from execution.kinds import named
from execution.relations import NEEDS, RELATION
from execution.selections import Selections
from execution.sites import DEFINITION
from execution.versions import VERSIONED, Versioned, VersionedColumns


@dataclass(slots=True)
class Dependence:
    """What an object depends on besides its version."""

    moving: bool = False
    """Whether it depends on `FragmentOf.moving`."""

    keys: dict[Callable[[Any], Hashable], None] = field(default_factory=dict[Callable[[Any], Hashable], None])
    """The functions `Versioned.key` of its fields."""

    variables: dict[str, None] = field(default_factory=dict[str, None])
    """The variables that its arguments use."""


def dependence(selections: Selections, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Dependence | None:
    """Return what an object of this type depends on; None when it may change without its version."""
    found = Dependence()
    return found if _is_versioned(selections, kind, nodes, found) else None


def _is_versioned(
    selections: Selections, kind: GraphQLObjectType, nodes: Sequence[FieldNode], found: Dependence
) -> bool:
    for same in selections.fields(kind, [node.selection_set for node in nodes]).values():
        name = same[0].name.value
        if name == "__typename":
            continue
        defined = kind.fields.get(name)
        definition = None if defined is None else defined.extensions.get(DEFINITION)
        if defined is None or not isinstance(definition, StrawberryField) or definition.extensions:
            return False
        if not _declares(kind, definition, same[0], found):
            return False
        of_field: Any = defined.type  # pyright: ignore[reportUnknownMemberType] # generic types of graphql-core are open
        inner = named(of_field)
        if is_composite_type(inner) and not (is_object_type(inner) and _is_versioned(selections, inner, same, found)):
            return False
    return True


def _declares(kind: GraphQLObjectType, definition: StrawberryField, node: FieldNode, found: Dependence) -> bool:
    """Add what a field depends on; return whether it declares that it depends on nothing else."""
    versioned: Versioned | None = definition.metadata.get(VERSIONED)
    if versioned is None:
        origin = getattr(kind.extensions.get(DEFINITION), "origin", None)
        columns: VersionedColumns | None = getattr(origin, "versioned_columns", None)
        is_plain = definition.is_basic_field and not definition.metadata.keys() & {RELATION, NEEDS}
        if columns is None or not is_plain:
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


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, None] = {}

    def enter_variable(self, node: VariableNode, *_others: Any) -> None:
        self.found[node.name.value] = None
