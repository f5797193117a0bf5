"""What a selection weighs, before anything of it is executed: one visit for each node of the document.

A field that answers an object costs 1, a list as much as one of its items times the size of the page that was asked
for. A plain value costs nothing, nor does a single object of plain values without an id: it is part of its parent. A
value of an abstract type is one of its types: the dearest counts, not all of them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_object_type,
)

MOST_A_PAGE: Final = 100
"""A larger page, or one of less than one, is refused by whoever would read it, and so costs no more than one item."""
USUAL_PAGE: Final = 20
"""Of a connection that is asked for no particular number."""
USUAL_LIST: Final = 10
"""Of a list that has no pages."""
INTROSPECTION_COST: Final = 100
"""Of `__schema` or `__type`, whatever is asked of it: it is bounded by its own depth."""

_PAGE_ARGUMENTS: Final = ("first", "last")
_INTROSPECTION: Final = frozenset({"__schema", "__type"})

Sizes = Mapping[str, int]
"""The values of the variables that stand for page sizes."""


@dataclass(slots=True)
class Cost:
    """Of one selection set with everything below it, each fragment as often as it is spread."""

    depth: int = -1
    """Levels of fields below the first."""
    introspection_depth: int = 0
    fields: int = 0
    """On the first level alone."""
    aliases: int = 0
    directives: int = 0
    cost: int = 0
    per_item: int = 0
    """In a connection: what each item of its page adds."""

    def add(self, other: "Cost") -> None:
        """Beside it, in the same selection set."""
        self.depth = max(self.depth, other.depth)
        self.introspection_depth = max(self.introspection_depth, other.introspection_depth)
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives
        self.cost += other.cost
        self.per_item += other.per_item


@dataclass(slots=True)
class CostAnalyzer:
    """Weighs the operations of one document. `aliases`, `directives` and `repeats` are of all of its text."""

    schema: GraphQLSchema
    document: DocumentNode
    sizes: Sizes
    aliases: int = 0
    directives: int = 0
    repeats: int = 0
    """Fields that their own selection set holds already: validation compares each with each."""
    visits: int = 0
    _fragments: dict[str, FragmentDefinitionNode] = field(init=False)
    _weighed: dict[str, Cost | None] = field(default_factory=dict[str, "Cost | None"])

    def __post_init__(self) -> None:
        self._fragments = {
            node.name.value: node for node in self.document.definitions if isinstance(node, FragmentDefinitionNode)
        }

    def analyze(self, operation: OperationDefinitionNode) -> Cost:
        """The operation as it would be executed; beside it, once, all else that validation will have to read."""
        found = Cost()
        for node in self.document.definitions:
            if isinstance(node, OperationDefinitionNode):
                weight = self._operation(node)
                if node is operation:
                    found = weight
            elif isinstance(node, FragmentDefinitionNode):
                self._fragment(node.name.value)
        return found

    def _operation(self, node: OperationDefinitionNode) -> Cost:
        on_variables = sum(len(variable.directives or ()) for variable in node.variable_definitions or ())
        self._count_directives(len(node.directives or ()) + on_variables)
        return self._selections(node.selection_set, self.schema.get_root_type(node.operation), set())

    def _fragment(self, name: str) -> Cost:
        """Measured once. One that does not exist, or holds itself, weighs nothing here: validation refuses it."""
        if name not in self._weighed:
            self._weighed[name] = None
            node = self._fragments.get(name)
            if node is not None:
                self._count_directives(len(node.directives or ()))
                kind = self.schema.get_type(node.type_condition.name.value)
                self._weighed[name] = self._selections(node.selection_set, kind, set())
        return self._weighed[name] or Cost()

    def _selections(self, node: SelectionSetNode, parent: GraphQLNamedType | None, seen: set[str]) -> Cost:
        total = Cost()
        apart: dict[str, Cost] = {}
        for selection in node.selections:
            self.visits += 1
            on_this = len(selection.directives or ())
            self._count_directives(on_this)
            match selection:
                case FieldNode():
                    weight, kind = self._field(selection, parent, seen), parent
                case InlineFragmentNode():
                    on = selection.type_condition
                    kind = parent if on is None else self.schema.get_type(on.name.value)
                    weight = self._selections(selection.selection_set, kind, seen)
                case FragmentSpreadNode():
                    weight, kind = self._spread(selection)
                case _:
                    continue
            weight.directives += on_this
            if kind is not parent and is_object_type(kind):
                apart.setdefault(kind.name, Cost()).add(weight)
            else:
                total.add(weight)
        return _with_dearest(total, apart.values())

    def _spread(self, node: FragmentSpreadNode) -> tuple[Cost, GraphQLNamedType | None]:
        name = node.name.value
        weight = Cost()
        weight.add(self._fragment(name))
        fragment = self._fragments.get(name)
        return weight, None if fragment is None else self.schema.get_type(fragment.type_condition.name.value)

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None, seen: set[str]) -> Cost:
        name = node.name.value
        aliased = int(node.alias is not None)
        self.aliases += aliased
        key = node.alias.value if node.alias is not None else name
        self.repeats += key in seen
        seen.add(key)
        known = _definition(parent, name)
        kind = None if known is None else _kind(known)
        below = Cost()
        if node.selection_set is not None:
            below = self._selections(node.selection_set, kind, set())
        weight = Cost(below.depth + 1, below.introspection_depth, 1, aliased + below.aliases, below.directives)
        if name in _INTROSPECTION:
            weight.depth, weight.introspection_depth = 0, below.depth + 1
            weight.cost = INTROSPECTION_COST
        elif known is None:
            weight.cost = 0 if name == "__typename" else 1 + below.cost
        elif is_composite_type(kind):
            self._price(weight, below, node, known, parent)
        return weight

    def _price(
        self, weight: Cost, below: Cost, node: FieldNode, known: GraphQLField, parent: GraphQLNamedType | None
    ) -> None:
        one = 1 + below.cost
        is_list = str(_output(known)).startswith("[")
        if is_list and _has_pages(parent):
            weight.per_item = one
        elif is_list:
            weight.cost = one * (self._page(node, known) if "first" in known.args else USUAL_LIST)
        elif _is_part(_kind(known)):
            weight.cost = below.cost
        else:
            weight.cost = one + below.per_item * self._page(node, known)

    def _page(self, node: FieldNode, known: GraphQLField) -> int:
        """As many as `first` or `last` says, by itself, by a variable or by the schema's default."""
        for argument in node.arguments or ():
            if argument.name.value in _PAGE_ARGUMENTS:
                match argument.value:
                    case IntValueNode(value=digits):
                        return clamped(digits)
                    case VariableNode(name=name) if name.value in self.sizes:
                        return self.sizes[name.value]
                    case _:
                        pass
        default: object = known.args["first"].default_value if "first" in known.args else None
        return clamped(default) if isinstance(default, int) else USUAL_PAGE

    def _count_directives(self, number: int) -> None:
        self.directives += number


def page_variables(document: DocumentNode) -> frozenset[str]:
    """The variables that stand for the size of some page; each node is visited once."""
    found: set[str] = set()
    waiting = [
        node.selection_set
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    while waiting:
        for selection in waiting.pop().selections:
            if isinstance(selection, FieldNode):
                found.update(
                    argument.value.name.value
                    for argument in selection.arguments or ()
                    if argument.name.value in _PAGE_ARGUMENTS and isinstance(argument.value, VariableNode)
                )
            if isinstance(selection, FieldNode | InlineFragmentNode) and selection.selection_set is not None:
                waiting.append(selection.selection_set)
    return frozenset(found)


def page_sizes(
    names: Iterable[str], operation: OperationDefinitionNode, variables: Mapping[str, object] | None
) -> dict[str, int]:
    """What those variables stand for in this request, or by the operation's own defaults."""
    given = variables or {}
    defaults = {
        node.variable.name.value: node.default_value.value
        for node in operation.variable_definitions or ()
        if isinstance(node.default_value, IntValueNode)
    }
    said = {name: given.get(name, defaults.get(name)) for name in names}
    return {name: clamped(value) for name, value in said.items() if isinstance(value, int | str)}


def clamped(value: int | str) -> int:
    """The size of a page that will be read."""
    if isinstance(value, str):
        value = int(value) if value.isdecimal() and len(value) <= len(str(MOST_A_PAGE)) else 0
    return value if 1 <= value <= MOST_A_PAGE else 1


def _definition(parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
    fields: Mapping[str, GraphQLField] = getattr(parent, "fields", {})
    return fields.get(name)


def _output(known: GraphQLField) -> Any:
    """graphql-core's lists are of an open generic."""
    return cast("Any", known).type


def _kind(known: GraphQLField) -> GraphQLNamedType:
    return cast("GraphQLNamedType", get_named_type(_output(known)))


def _is_part(kind: GraphQLNamedType) -> bool:
    """Whether it consists of plain values and cannot be asked for by itself."""
    inside: Mapping[str, GraphQLField] = getattr(kind, "fields", {})
    plain = not any(is_composite_type(_kind(each)) for each in inside.values())
    return plain and bool(inside) and "id" not in inside


def _has_pages(parent: GraphQLNamedType | None) -> bool:
    """A connection of https://relay.dev/graphql/connections.htm, whose lists are as long as its page."""
    return parent is not None and "pageInfo" in getattr(parent, "fields", {})


def _with_dearest(total: Cost, apart: Collection[Cost]) -> Cost:
    """Only one of those that are apart can come to pass; what is written is written in all of them."""
    most_expensive = Cost()
    for weight in apart:
        cost, per_item = max(most_expensive.cost, weight.cost), max(most_expensive.per_item, weight.per_item)
        fields = max(most_expensive.fields, weight.fields)
        most_expensive.add(weight)
        most_expensive.cost, most_expensive.per_item, most_expensive.fields = cost, per_item, fields
    total.add(most_expensive)
    return total
