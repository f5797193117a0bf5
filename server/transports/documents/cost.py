"""Static cost analysis of an operation, with one visit per node of the document.

A field of an object type costs 1, which is about a row that is read and answered. A list costs as much as one of its
items times the requested page size. Scalars cost nothing, and neither does a single object of scalars that is no node,
which is part of its parent, unless it is computed from many rows (`AGGREGATES`). Lists of scalars that are computed for
each object (`COMPUTED`) cost 1. Of the possible types of an abstract type, only the most expensive one counts.

A list without a page size that may be long (`scenes` of a job) counts as DEFAULT_PAGE_SIZE, but as
REPEATED_PAGE_SIZE for each object of another list: the one is bounded anyway, the other multiplies.
"""

from collections.abc import Collection, Mapping
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

from server.transports.documents.page_sizes import PAGE_ARGUMENTS, effective_page_size, literal_page_size

DEFAULT_PAGE_SIZE: Final = 20
"""Page size of a connection without a page argument."""
REPEATED_PAGE_SIZE: Final = 100
"""Page size of a connection without a page argument and without a default, in the items of another list."""
ASSUMED_LIST_LENGTH: Final = 10
"""Length of a list without pages."""
INTROSPECTION_COST: Final = 100
"""Cost of `__schema` or `__type` with any selection; a depth of its own limits it."""

AGGREGATES: Final[Mapping[str, int]] = {"JobProgress": 5}
"""Cost of objects of scalars that are computed from many rows, by type."""
COMPUTED: Final = frozenset({"availableActions", "allowedTransitions"})
"""Lists of scalars that rules compute for each object, which takes about as long as reading it."""

_INTROSPECTION: Final = frozenset({"__schema", "__type"})
_EXCLUSIVE: Final = ("cost", "repeated", "per_item", "per_item_repeated", "fields")
"""The measures of which, among types that exclude each other, the largest counts."""


@dataclass(slots=True)
class Cost:
    """The measures of a selection set and everything below it; a fragment counts each time it is spread."""

    depth: int = -1
    """Levels of fields below the first level."""
    introspection_depth: int = 0
    fields: int = 0
    """Fields of the first level."""
    aliases: int = 0
    directives: int = 0
    cost: int = 0
    repeated: int = 0
    """The cost in each item of a list, where lists without a page size count more."""
    per_item: int = 0
    """In a connection: cost of each item of the page."""
    per_item_repeated: int = 0
    """The same, of a page of several items."""

    def add(self, other: "Cost") -> None:
        """Add the measures of another part of the same selection set."""
        self.depth = max(self.depth, other.depth)
        self.introspection_depth = max(self.introspection_depth, other.introspection_depth)
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives
        self.cost += other.cost
        self.repeated += other.repeated
        self.per_item += other.per_item
        self.per_item_repeated += other.per_item_repeated


@dataclass(slots=True)
class CostAnalyzer:
    """Analyzes one document. `aliases`, `directives` and `repeats` count its whole text, each fragment once."""

    schema: GraphQLSchema
    document: DocumentNode
    sizes: Mapping[str, int]
    """Page sizes by variable name."""
    aliases: int = 0
    directives: int = 0
    repeats: int = 0
    """Fields whose response name occurs before in the selection set; validation compares them pairwise."""
    visits: int = 0
    _fragments: dict[str, FragmentDefinitionNode] = field(init=False)
    _fragment_costs: dict[str, Cost | None] = field(default_factory=dict[str, "Cost | None"])

    def __post_init__(self) -> None:
        self._fragments = {
            node.name.value: node for node in self.document.definitions if isinstance(node, FragmentDefinitionNode)
        }

    def analyze(self, operation: OperationDefinitionNode) -> Cost:
        """Return the cost of executing the operation; also count the rest of the document, which validation reads."""
        total = Cost()
        for node in self.document.definitions:
            if isinstance(node, OperationDefinitionNode):
                cost = self._operation(node)
                if node is operation:
                    total = cost
            elif isinstance(node, FragmentDefinitionNode):
                self._fragment(node.name.value)
        return total

    def _operation(self, node: OperationDefinitionNode) -> Cost:
        on_variables = sum(len(variable.directives or ()) for variable in node.variable_definitions or ())
        self._count_directives(len(node.directives or ()) + on_variables)
        return self._selections(node.selection_set, self.schema.get_root_type(node.operation), set())

    def _fragment(self, name: str) -> Cost:
        """Return the cost of a fragment, analyzed once; 0 for a missing or recursive one, which validation rejects."""
        if name not in self._fragment_costs:
            self._fragment_costs[name] = None
            node = self._fragments.get(name)
            if node is not None:
                self._count_directives(len(node.directives or ()))
                kind = self.schema.get_type(node.type_condition.name.value)
                self._fragment_costs[name] = self._selections(node.selection_set, kind, set())
        return self._fragment_costs[name] or Cost()

    def _selections(self, node: SelectionSetNode, parent: GraphQLNamedType | None, seen: set[str]) -> Cost:
        total = Cost()
        branches: dict[str, Cost] = {}
        for selection in node.selections:
            self.visits += 1
            on_this = len(selection.directives or ())
            self._count_directives(on_this)
            match selection:
                case FieldNode():
                    cost, kind = self._field(selection, parent, seen), parent
                case InlineFragmentNode():
                    on = selection.type_condition
                    kind = parent if on is None else self.schema.get_type(on.name.value)
                    cost = self._selections(selection.selection_set, kind, seen)
                case FragmentSpreadNode():
                    cost, kind = self._spread(selection)
                case _:
                    continue
            cost.directives += on_this
            if kind is not parent and is_object_type(kind):
                branches.setdefault(kind.name, Cost()).add(cost)
            else:
                total.add(cost)
        return _add_most_expensive(total, branches.values())

    def _spread(self, node: FragmentSpreadNode) -> tuple[Cost, GraphQLNamedType | None]:
        name = node.name.value
        cost = Cost()
        cost.add(self._fragment(name))
        fragment = self._fragments.get(name)
        return cost, None if fragment is None else self.schema.get_type(fragment.type_condition.name.value)

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None, seen: set[str]) -> Cost:
        name = node.name.value
        aliased = int(node.alias is not None)
        self.aliases += aliased
        key = node.alias.value if node.alias is not None else name
        self.repeats += key in seen
        seen.add(key)
        definition = _definition(parent, name)
        kind = None if definition is None else _kind(definition)
        below = Cost()
        if node.selection_set is not None:
            below = self._selections(node.selection_set, kind, set())
        cost = Cost(below.depth + 1, below.introspection_depth, 1, aliased + below.aliases, below.directives)
        if name in _INTROSPECTION:
            cost.depth, cost.introspection_depth = 0, below.depth + 1
            cost.cost = cost.repeated = INTROSPECTION_COST
        elif definition is None:
            cost.cost = cost.repeated = 0 if name == "__typename" else 1 + below.cost
        elif is_composite_type(kind):
            self._set_cost(cost, below, node, definition, parent)
        elif name in COMPUTED:
            cost.cost = cost.repeated = 1
        return cost

    def _set_cost(
        self, cost: Cost, below: Cost, node: FieldNode, definition: GraphQLField, parent: GraphQLNamedType | None
    ) -> None:
        item, repeated = 1 + below.cost, 1 + below.repeated
        is_list = str(_output(definition)).startswith("[")
        if is_list and _is_connection(parent):
            cost.per_item, cost.per_item_repeated = item, repeated
        elif is_list:
            length = self._page_size(node, definition) if "first" in definition.args else ASSUMED_LIST_LENGTH
            cost.repeated = repeated * length
            cost.cost = cost.repeated if length > 1 else item
        elif _is_part(_kind(definition)):
            price = 0 if parent is self.schema.subscription_type else AGGREGATES.get(_kind(definition).name, 0)
            cost.cost, cost.repeated = price + below.cost, price + below.repeated
        else:
            size = self._page_size(node, definition)
            cost.cost = item + (below.per_item_repeated if size > 1 else below.per_item) * size
            length = self._page_size(node, definition, repeated=True)
            cost.repeated = repeated + below.per_item_repeated * length

    def _page_size(self, node: FieldNode, definition: GraphQLField, *, repeated: bool = False) -> int:
        """Return the page size: the value of `first` or `last`, of its variable, or the default of the schema."""
        for argument in node.arguments or ():
            if argument.name.value in PAGE_ARGUMENTS:
                match argument.value:
                    case IntValueNode():
                        return literal_page_size(argument.value)
                    case VariableNode(name=name) if name.value in self.sizes:
                        return self.sizes[name.value]
                    case _:
                        pass
        default: object = definition.args["first"].default_value if "first" in definition.args else None
        if isinstance(default, int):
            return effective_page_size(default)
        return REPEATED_PAGE_SIZE if repeated else DEFAULT_PAGE_SIZE

    def _count_directives(self, number: int) -> None:
        self.directives += number


def _definition(parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
    fields: Mapping[str, GraphQLField] = getattr(parent, "fields", {})
    return fields.get(name)


def _output(definition: GraphQLField) -> Any:
    """Return the type of a field; the cast is needed because graphql-core's list type is an open generic."""
    return cast("Any", definition).type


def _kind(definition: GraphQLField) -> GraphQLNamedType:
    return cast("GraphQLNamedType", get_named_type(_output(definition)))


def _is_part(kind: GraphQLNamedType) -> bool:
    """Return whether the type has only scalar fields and is no node of its own, so that it is part of its parent.

    https://graphql.org/learn/global-object-identification/#node-interface
    """
    fields: Mapping[str, GraphQLField] = getattr(kind, "fields", {})
    scalars_only = not any(is_composite_type(_kind(each)) for each in fields.values())
    is_node = "Node" in (kind.name, *(each.name for each in getattr(kind, "interfaces", ())))
    return scalars_only and bool(fields) and not is_node


def _is_connection(parent: GraphQLNamedType | None) -> bool:
    """Return whether the type is a connection (https://relay.dev/graphql/connections.htm): its lists hold one page."""
    return parent is not None and "pageInfo" in getattr(parent, "fields", {})


def _add_most_expensive(total: Cost, branches: Collection[Cost]) -> Cost:
    """Add type conditions that exclude each other: the largest cost, but all aliases and directives."""
    combined = Cost()
    for branch in branches:
        most = [max(getattr(combined, name), getattr(branch, name)) for name in _EXCLUSIVE]
        combined.add(branch)
        for name, value in zip(_EXCLUSIVE, most, strict=True):
            setattr(combined, name, value)
    total.add(combined)
    return total
