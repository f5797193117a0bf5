"""The calls of resolvers in a plan: their arguments and their Info."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final, NamedTuple, TypeVar, cast

import strawberry
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLNamedOutputType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    print_ast,
)
from graphql.execution.values import VariableValues, get_argument_values
from graphql.language import VariableNode, Visitor, visit
from graphql.pyutils import Path
from strawberry.execution import optimized_is_awaitable
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info
from strawberry.types.unset import UnsetType

from execution.conversions import Argument, arguments_of, converted

T = TypeVar("T")

Slots = list[Any]
"""The values of one execution: the `Run`, and what the sites need, each at its own index."""

DEFINITION: Final = "strawberry-definition"


def origin_of(kind: GraphQLObjectType) -> Any:
    """Return the class that Strawberry made an object type of; None if it made it of none."""
    return getattr(kind.extensions.get(DEFINITION), "origin", None)


class RawInfo(NamedTuple):
    """The attributes of graphql-core's GraphQLResolveInfo, as far as they are known to a compiled operation."""

    field_name: str
    field_nodes: list[FieldNode]
    return_type: Any
    parent_type: GraphQLNamedOutputType
    path: Path
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    root_value: Any
    operation: OperationDefinitionNode
    variable_values: Mapping[str, Any]
    context: Any
    is_awaitable: Callable[[Any], bool]
    abort_signal: None
    async_helpers: None
    operation_extensions: Mapping[str, Any] | None


class Operation(NamedTuple):
    """The operation that a plan executes."""

    schema: strawberry.Schema
    core: GraphQLSchema
    node: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]


Memory = dict["Site", dict[str, Any]]
"""The arguments at the sites of one plan, as far as they are immutable."""


class Run:
    """One execution of a plan.

    `memory` keeps what sites make of the variables alone, for other executions with the same variables.
    """

    __slots__ = ("context", "extensions", "memory", "operation", "root", "variables")

    def __init__(
        self,
        operation: Operation,
        context: Any,
        variables: VariableValues,
        root: Any = None,
        extensions: Mapping[str, Any] | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.operation = operation
        self.memory = memory
        self.context = context
        self.variables = variables
        self.root = root
        self.extensions = extensions


Prepare = Callable[[Run], Any]
"""Makes the value of a slot."""


class SiteInfo(Info[Any, Any]):
    """Strawberry's Info, whose rarely read parts are made when they are read.

    One Info serves all objects of a level, so `path` has no indices of lists.
    """

    def __init__(self, run: Run, site: "Site") -> None:
        self._run = run
        self._site = site
        self._field = site.definition

    @property
    def field_name(self) -> str:
        """The name of the field."""
        return self._site.name

    @property
    def context(self) -> Any:
        """The context of the operation."""
        return self._run.context

    def once(self, make: Callable[["SiteInfo"], T]) -> T:
        """Return what `make` returns of this Info: made once for all executions, so of the selection alone."""
        made = self._site.made_once
        if make not in made:
            made[make] = make(self)
        return made[make]

    @cached_property
    def _raw_info(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride] # a field of the base, made lazily here
        return self._site.raw_info(self._run)


class Site:
    """A field of the schema at one place in an operation."""

    def __init__(
        self, operation: Operation, parent: GraphQLObjectType, key: str, nodes: list[FieldNode], path: Path | None
    ) -> None:
        self.name = nodes[0].name.value
        self.parent = parent
        self.nodes = nodes
        self.path = Path(path, key, parent.name)
        self.field: GraphQLField = parent.fields[self.name]
        self.type: Any = self.field.type  # pyright: ignore[reportUnknownMemberType] # generic types of graphql-core are open
        self.resolve: Any = self.field.resolve
        self.definition: StrawberryField = self.field.extensions[DEFINITION]
        self.resolver: Any = self.definition.base_resolver  # pyright: ignore[reportUnknownMemberType] # as above
        self._operation = operation
        self.made_once: dict[Any, Any] = {}
        """What resolvers have found of the selection at this place, by the function that found it."""

    @property
    def takes_arguments(self) -> bool:
        """Whether the resolver is given arguments."""
        return bool(self.field.args)

    @cached_property
    def constant_arguments(self) -> dict[str, Any] | None:
        """The arguments of the resolver if they are equal in all executions and immutable; else None."""
        if any(map(_uses_variable, self.nodes[0].arguments or ())):
            return None
        given = self.arguments(Run(self._operation, None, VariableValues({}, {})))
        return given if all(isinstance(each, _IMMUTABLE) for each in given.values()) else None

    def arguments(self, run: Run) -> dict[str, Any]:
        """Return the arguments of the resolver, by the names that Python uses. Raises for invalid values."""
        memory = run.memory
        if memory is None:
            return self._arguments(run)
        found = memory.get(self)
        if found is None:
            found = self._arguments(run)
            if all(isinstance(each, _IMMUTABLE) for each in found.values()):
                memory[self] = found
        return found

    def _arguments(self, run: Run) -> dict[str, Any]:
        return converted(self._conversions, self.raw_arguments(run))

    @cached_property
    def _conversions(self) -> tuple[Argument, ...]:
        return arguments_of(self._operation.schema, self.definition)

    def raw_arguments(self, run: Run) -> dict[str, Any]:
        """Return the arguments as graphql-core passes them to Strawberry."""
        if not self.field.args:
            return {}
        values = run.variables.coerced
        if self._from_variables is not None and all(map(values.__contains__, self._from_variables.values())):
            return {name: values[variable] for name, variable in self._from_variables.items()}
        return get_argument_values(self.field, self.nodes[0], run.variables)

    @cached_property
    def _from_variables(self) -> Mapping[str, str] | None:
        """The variables that are the arguments, if each has exactly the type of its argument, so that its value needs
        no further look; None if an argument is anything else, or one that is not given has a default."""
        found: dict[str, str] = {}
        types = {each.variable.name.value: each.type for each in self._operation.node.variable_definitions or ()}
        given = {each.name.value: each.value for each in self.nodes[0].arguments or ()}
        for name, argument in self.field.args.items():
            value = given.get(name)
            if value is None and argument.default_value is Undefined and argument.default is None:
                continue
            kind = cast("Any", argument.type)  # pyright: ignore[reportUnknownMemberType] # generic types of graphql-core are open
            if not isinstance(value, VariableNode) or print_ast(types[value.name.value]) != str(kind):
                return None
            found[argument.out_name or name] = value.name.value
        return found

    def info(self, run: Run) -> SiteInfo:
        """Return the Info of the resolver."""
        return SiteInfo(run, self)

    def raw_info(self, run: Run) -> RawInfo:
        """Return the info that graphql-core would give to Strawberry."""
        return RawInfo(
            self.name,
            self.nodes,
            self.type,
            self.parent,
            self.path,
            run.operation.core,
            run.operation.fragments,
            run.root,
            run.operation.node,
            run.variables.coerced,
            run.context,
            optimized_is_awaitable,
            None,
            None,
            run.extensions,
        )


_IMMUTABLE: Final[tuple[type[Any], ...]] = (str, int, float, bool, type(None), UnsetType)


class _FindVariable(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_variable(self, node: VariableNode, *_others: Any) -> None:
        self.found = True


def _uses_variable(node: Any) -> bool:
    finder = _FindVariable()
    visit(node, finder)
    return finder.found
