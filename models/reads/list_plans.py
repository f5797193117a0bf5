"""How the jobs of a list are found: by the index of a filter that leaves few of them, or in the order of the list.

The program chooses, on both databases: SQLite has no statistics, and a statement that Postgres plans by the values of
its parameters is planned each time, which takes longer than to read a page
(docs/decisions/0037-plans-that-postgres-keeps.md).
"""

from collections.abc import Awaitable, Callable, Iterator
from math import isqrt
from typing import NamedTuple

from models.db.recent import Recent
from models.db.statements import Kind, Row, Statement, Values, utc
from models.reads import list_shapes
from models.reads.list_shapes import JobListShape, JobOrderField
from models.reads.narrowing import Narrowing, owner_of
from models.reads.shapes import Scope

# Sorting FEW rows takes about as long as passing over the entries of MANY jobs in an index. Of more jobs, more are few:
# by the root, because in a page's order fewer are passed over for each that matches, when more of them do.
FEW, MANY = 200, 10_000
# One more than the sizes of usual pages.
USUAL_LIMITS = (11, 21, 26, 51, 101)
_NEVER = -(2**63)


class Source(NamedTuple):
    """What runs the statements of a narrow read: a snapshot, or a connection. `counts` are those of the database."""

    kind: Kind
    fetch: Callable[[Statement, Values], Awaitable[list[Row]]]
    counts: Recent


async def planned(source: Source, shape: JobListShape, values: Values) -> JobListShape:
    """Return the shape with the first of its filters that leaves few jobs, and with what its statements name."""
    shape = await _narrowed(source, shape, values)
    if source.kind != "postgresql":
        return shape
    by_status = (Narrowing.STATUS, Narrowing.OWNED_STATUS, Narrowing.WORKER)
    if shape.narrowed in by_status and shape.statuses is not None:
        shape = shape._replace(named_statuses=tuple(sorted(set(values["statuses"]))))
    in_order_of_owner = shape.narrowed is None and owner_of(shape.scope, owner=shape.owner) is not None
    if shape.limited and not in_order_of_owner:
        # Of an unknown limit, Postgres supposes a tenth of all rows; it would sort these rather than those of an owner.
        shape = shape._replace(rows=next((limit for limit in USUAL_LIMITS if limit >= values["limit"]), 0))
    return shape


async def _narrowed(source: Source, shape: JobListShape, values: Values) -> JobListShape:
    if shape.scope is Scope.TOKEN:
        return shape._replace(narrowed=Narrowing.TOKEN)
    for each in _filters(source.kind, shape, values):
        if await _leaves_few(source, shape, values, each):
            return shape._replace(narrowed=each)
    return shape


def _filters(kind: Kind, shape: JobListShape, values: Values) -> Iterator[Narrowing]:
    if shape.patterns and "part_0" in values:
        yield Narrowing.TITLE
    if shape.scope is Scope.WORKER:
        if shape.owner or shape.statuses is not None or kind == "sqlite":
            yield Narrowing.WORKER
    elif shape.statuses is not None:
        of_one = owner_of(shape.scope, owner=shape.owner) is not None
        yield Narrowing.OWNED_STATUS if of_one else Narrowing.STATUS
    # In the order of the last change it ends the list, wherever that is.
    if shape.since and shape.order is not JobOrderField.UPDATED_AT:
        yield Narrowing.SINCE


async def _leaves_few(source: Source, shape: JobListShape, values: Values, by: Narrowing) -> bool:
    match by:
        case Narrowing.SINCE:
            few = await _few(source, shape, values)
            since = int(values["since"].timestamp() * 1e6)
            return since > await _remembered(source, shape, values, by, {"few": few}, _instant)
        case Narrowing.TITLE if source.kind == "sqlite":
            few = await _few(source, shape, values)
            return few >= await _remembered(source, shape, values, by, {"few": few})
        case Narrowing.TITLE:
            return await _remembered(source, shape, values, by) <= FEW
        case _:
            left = await _remembered(source, shape, values, by)
            return left <= FEW or left <= await _few(source, shape, values)


async def _few(source: Source, shape: JobListShape, values: Values) -> int:
    """Return how many jobs are few of those among which the filters of a list choose."""
    every = shape._replace(statuses=None)
    jobs = await _remembered(source, every, {**values, "statuses": None}, Narrowing.STATUS)
    return isqrt(FEW * FEW * max(jobs, MANY) // MANY)


async def _remembered(
    source: Source,
    shape: JobListShape,
    values: Values,
    by: Narrowing,
    more: Values | None = None,
    number: Callable[[list[Row]], int] = lambda found: int(found[0][0]),
) -> int:
    """Return the number that `list_shapes.few` selects, which may be a few seconds old."""
    of = (values["viewer"], values["owner"], *(values["statuses"] or ()))
    key = (by, shape.scope, of, values["lowered"] if by is Narrowing.TITLE else None)
    kept = source.counts.get(key)
    if kept is None:
        found = await source.fetch(list_shapes.few(source.kind, shape, by), {**values, **(more or {})})
        kept = number(found)
        source.counts.put(key, kept)
    return kept


def _instant(found: list[Row]) -> int:
    """Return the selected instant in microseconds; without one, any is later."""
    return int(utc(found[0][0]).timestamp() * 1e6) if found else _NEVER
