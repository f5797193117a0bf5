"""A small schema whose objects can be kept by their version, for tests of `execution.fragments`."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import strawberry
from graphql import GraphQLError, OperationDefinitionNode, parse
from graphql.execution.values import VariableValues, get_variable_values
from strawberry.types.info import Info as StrawberryInfo

from execution.answers import Answers, Moments
from execution.fragments import Fragments
from execution.plan import Plan
from execution.plans import Plans
from execution.relations import NEEDS, RELATION, Relation, Selected
from execution.selections import condition_variables
from execution.versions import STORED, VERSIONED, FragmentOf, Versioned, VersionedColumns


class BoxRow(NamedTuple):
    """A row of a box."""

    id: str
    version: int
    moves: int
    name: str
    level: int


@dataclass
class Context:
    """The stored boxes, and what an answer may depend on.

    `loaded` counts the boxes whose items were read, `asked` the questions for the moment.
    """

    boxes: list[BoxRow] = field(default_factory=list[BoxRow])
    viewer: str = "ada"
    address: str = "here"
    moving: dict[str, int] = field(default_factory=dict[str, int])
    loaded: int = 0
    moment: Hashable = None
    asked: int = 0


Info = StrawberryInfo[Context, None]


async def _load_boxes(context: Context, parents: Any, _arguments: Any, selected: Selected) -> Sequence[Any]:
    rows = [
        tuple(getattr(row, name) for name in selected.columns) if selected.columns else row for row in context.boxes
    ]
    return [rows] * len(parents)


async def _load_items(context: Context, parents: Any, arguments: Any, _selected: Selected) -> Sequence[Any]:
    context.loaded += len(parents)
    return [[f"{box_id}.{number}" for number in range(arguments.get("first", 1))] for (box_id,) in parents]


async def _moving(context: Context, ids: Sequence[str]) -> Mapping[str, Hashable]:
    return {each: context.moving[each] for each in ids}


def _address(context: Context) -> Hashable:
    return context.address


@strawberry.type
class Box:
    """Read from `BoxRow`."""

    fragment_of: ClassVar = FragmentOf(id="id", version="version", moves="moves", moving=_moving)
    versioned_columns: ClassVar = VersionedColumns(moving=frozenset({"level"}))

    id: strawberry.ID
    name: str
    level: int

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, BoxRow)

    @strawberry.field(
        metadata={RELATION: Relation(("id",), _load_items), VERSIONED: Versioned(unless=frozenset({"hidden"}))}
    )
    @staticmethod
    async def items(info: Info, first: int = 1, hidden: bool = False) -> list[str]:
        raise NotImplementedError

    @strawberry.field(metadata={NEEDS: ("name",), VERSIONED: Versioned(key=_address)})
    @staticmethod
    def link(root: strawberry.Parent[BoxRow], info: Info) -> str:
        return f"{info.context.address}/{root.name}"

    @strawberry.field(metadata={NEEDS: ("name",), VERSIONED: Versioned()})
    @staticmethod
    def greeting(root: strawberry.Parent[BoxRow], info: Info) -> str:
        return f"{info.context.viewer} has {root.name}"

    @strawberry.field(metadata={NEEDS: ("name",)})
    @staticmethod
    def now(root: strawberry.Parent[BoxRow], info: Info) -> str:
        return f"{root.name} {info.context.loaded}"


@strawberry.type
class Query:
    """The boxes."""

    @strawberry.field(metadata={RELATION: Relation((), _load_boxes, (), BoxRow), STORED: True})
    async def boxes(self) -> list[Box]:
        raise NotImplementedError

    @strawberry.field(metadata={STORED: True})
    def named(self, name: str | None) -> int:
        return len(name or "")

    @strawberry.field
    def undeclared(self) -> int:
        return 1


SCHEMA = strawberry.Schema(Query)
CORE = SCHEMA._schema  # pyright: ignore[reportPrivateUsage] # there is no public accessor


def scope(context: Context) -> Hashable:
    """Return the viewer."""
    return context.viewer


async def _now(context: Context) -> Hashable:
    context.asked += 1
    return context.moment


class Kept:
    """Answers queries with kept objects, and with kept answers of contexts that have a moment."""

    def __init__(self, most_bytes: int = 100_000, *, moments_are_free: bool = True) -> None:
        self.fragments = Fragments(most_bytes, scope)
        self.answers = Answers(most_bytes, Moments(_now, are_free=moments_are_free), scope)
        self._plans = Plans(SCHEMA, fragments=self.fragments, answers=self.answers)

    async def answer(self, context: Context, text: str, **variables: Any) -> Any:
        """Return the data of a query."""
        document = parse(text)
        operation = next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
        values: VariableValues | list[GraphQLError] = get_variable_values(
            CORE, operation.variable_definitions or (), variables
        )
        assert isinstance(values, VariableValues)
        names = condition_variables(document, operation)
        plan: Plan = self._plans.plan(text, document, operation, [(name, values.coerced[name]) for name in names])
        return await plan.query(context, values)
