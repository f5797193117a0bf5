"""A schema with everything that an answer can contain, and its execution on both paths."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, NewType

import strawberry
from starlette.requests import HTTPConnection
from strawberry.schema.config import StrawberryConfig

from execution.plans import Plans
from execution.raw import RawValues
from execution.relations import NEEDS, RELATION, Relation, Selected
from models.domain.errors import Invalid
from server.graphql.masking import MaskedSchema
from server.transports.documents.compiled import CompiledOperations
from server.transports.execution import Executor
from server.transports.limits import TransportLimits
from tests.support.sample_pets import PETS, Hue, Mood, PetRow

Instant = NewType("Instant", datetime)
CONNECTION = HTTPConnection({"type": "http"})


@strawberry.interface
class Named:
    """Implemented by rows and by objects."""

    name: str


@dataclass
class Context:
    """Counts what was called. Each answer is made from the same objects."""

    calls: Counter[str] = field(default_factory=Counter[str])
    narrow: list[Selected] = field(default_factory=list[Selected])
    changes: list[str] = field(default_factory=list[str])

    def answering(self, cost: int) -> Any:
        """Return the block in which an answer is made."""
        return _Block()

    async def answered(self) -> None:
        """Nothing is held."""

    @property
    def more_follow(self) -> bool:
        """Whether another message follows at once."""
        return False

    @property
    def refusals(self) -> Sequence[str]:
        """No mutation is refused."""
        return ()


class _Block:
    async def __aenter__(self) -> None:
        return

    async def __aexit__(self, *_: object) -> None:
        return


Info = strawberry.Info[Context, None]


@strawberry.type
class Pet(Named):
    """Read from `PetRow`."""

    id: strawberry.ID
    owner_id: strawberry.ID
    mood: Mood
    born_at: Instant
    tags: list[str]
    tame: bool
    weight: float | None

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, PetRow)

    @strawberry.field(metadata={NEEDS: ("mood", "tags", "born_at")})
    @staticmethod
    def label(root: strawberry.Parent[PetRow], info: Info, prefix: str = "-") -> str:
        info.context.calls["label"] += 1
        return f"{prefix}{root.mood.name}{len(root.tags)}{root.born_at.day}"

    @strawberry.field(metadata={NEEDS: ("name", "tame")})
    @staticmethod
    async def greeting(root: strawberry.Parent[PetRow], info: Info) -> str | None:
        await asyncio.sleep(0)
        return f"Hello {root.name}" if root.tame is True else None

    @strawberry.field
    @staticmethod
    def whole(root: strawberry.Parent[PetRow]) -> str:
        return ",".join(root.tags)

    @strawberry.field
    @staticmethod
    async def owner(root: strawberry.Parent[PetRow], info: Info) -> "Owner | None":
        return Owner(name=root.owner_id) if root.owner_id != "owner2" else None


async def _load_pets(
    context: Context, parents: Sequence[tuple[Any, ...]], arguments: Mapping[str, Any], selected: Selected
) -> list[list[Any]]:
    """Return narrow rows where that is possible."""
    context.narrow.append(selected)
    found: list[list[Any]] = []
    for (name,) in parents:
        rows = [row for row in PETS if row.owner_id == name][: arguments.get("first", 10)]
        if selected.columns:
            found.append([tuple(row.stored()[column] for column in selected.columns) for row in rows])
        else:
            found.append(list(rows))
    return found


@strawberry.type
class Owner(Named):
    """An ordinary object."""

    matrix: list[list[int | None]] | None = strawberry.field(default_factory=lambda: [[1, None], []])
    hue: Hue | None = Hue.GREEN
    none_of_many: "list[Owner | None]" = strawberry.field(default_factory=list)

    @strawberry.field(metadata={RELATION: Relation(needs=("name",), load=_load_pets, row=PetRow)})
    @staticmethod
    async def pets(root: "strawberry.Parent[Owner]", info: Info, first: int = 10) -> list[Pet]:
        info.context.calls["pets"] += 1
        return [row for row in PETS if row.owner_id == root.name][:first]  # pyright: ignore[reportReturnType] # rows stand in

    @strawberry.field
    def broken(self) -> str | None:
        raise Invalid("Broken.", ["broken"])

    @strawberry.field
    async def broken_later(self) -> int | None:
        await asyncio.sleep(0)
        raise KeyError("secret")

    @strawberry.field
    def null(self) -> str:
        return None  # pyright: ignore[reportReturnType] # on purpose

    @strawberry.field
    def nulls(self) -> list[str]:
        return ["a", None]  # pyright: ignore[reportReturnType] # on purpose

    @strawberry.field
    def echo(self, hues: list[Hue] | None = None, mood: Mood = Mood.SAD, number: int | None = strawberry.UNSET) -> str:
        return f"{hues} {mood!r} {'unset' if number is strawberry.UNSET else number}"


Being = Annotated[Pet | Owner, strawberry.union("Being")]


@strawberry.type
class Query:
    """The queries."""

    @strawberry.field
    def owners(self, count: int = 3) -> list[Owner]:
        lone = Owner(name="lone", matrix=None, hue=None)
        return [Owner(name=f"owner{number}", none_of_many=[lone, None]) for number in range(count)]

    @strawberry.field
    async def beings(self) -> list[Being]:
        return [PETS[0], Owner(name="owner1"), PETS[1]]  # pyright: ignore[reportReturnType] # rows stand in

    @strawberry.field
    async def named(self, first: bool = True) -> Named | None:
        return PETS[2] if first else Owner(name="owner0")  # pyright: ignore[reportReturnType] # rows stand in

    @strawberry.field
    async def names(self) -> list[Named]:
        return [*PETS[:3], Owner(name="owner0"), Owner(name="owner1")]  # pyright: ignore[reportReturnType] # rows stand in


@strawberry.type
class Payload:
    """The payload of a mutation."""

    owner: Owner | None
    total: int


@strawberry.type
class Mutation:
    """The mutations."""

    @strawberry.mutation
    async def change(self, info: Info, to: str) -> Payload:
        if to == "fail":
            raise Invalid("Not that.", ["to"])
        info.context.changes.append(to)
        return Payload(owner=Owner(name=to), total=len(info.context.changes))

    @strawberry.mutation
    def maybe(self, info: Info, to: str) -> Payload | None:
        info.context.changes.append(to)
        if to == "fail":
            raise RuntimeError("secret")
        return Payload(owner=None, total=len(info.context.changes))


@strawberry.type
class Subscription:
    """The subscriptions."""

    @strawberry.subscription
    async def ticks(self, info: Info, count: int = 3) -> AsyncGenerator[Being]:
        for number in range(count):
            yield PETS[number] if number % 2 else Owner(name=f"owner{number}")  # pyright: ignore[reportReturnType] # rows stand in
        if count == 2:
            raise Invalid("No more.", ["count"])


def sample_schema(**options: Any) -> MaskedSchema:
    """Return the schema."""
    scalar = strawberry.scalar(
        name="Instant", serialize=lambda value: value.isoformat(), parse_value=datetime.fromisoformat
    )
    config = StrawberryConfig(scalar_map={Instant: scalar})
    return MaskedSchema(Query, Mutation, Subscription, types=[Pet, Owner], config=config, **options)


def executors(schema: MaskedSchema) -> tuple[Executor, Executor]:
    """Return the executor with compiled operations and the one without."""

    async def context(_: HTTPConnection) -> Context:
        return Context()

    compiled = CompiledOperations(
        schema.core, schema.validation_errors, Plans(schema, RawValues(answers={"Instant": str}))
    )
    return (
        Executor(schema, context, TransportLimits(), compiled=compiled),
        Executor(schema, context, TransportLimits()),
    )
