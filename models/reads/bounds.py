"""The bounds of a page in the order of its list: cursors and limits."""

from typing import Any, Literal, NamedTuple, Protocol

import sqlalchemy as sa

from models.db.statements import Kind, named, unplanned

Side = Literal["after", "before"]


class Cursors(Protocol):
    """The shape of a list: which cursors it has."""

    @property
    def after(self) -> bool:
        """Whether the page begins behind a cursor."""
        ...

    @property
    def before(self) -> bool:
        """Whether it ends in front of one."""
        ...


class Bound(NamedTuple):
    """The conditions that a row is on the inner side of a cursor, and that it is not."""

    inside: sa.ColumnElement[bool]
    outside: sa.ColumnElement[bool]


def limited(kind: Kind, select: sa.Select[*tuple[Any, ...]], *, limited: bool) -> sa.Select[*tuple[Any, ...]]:
    """Return the SELECT with the parameter `limit`, if it has a limit."""
    return select.limit(unplanned(kind, named("limit", sa.Integer()))) if limited else select


def bounds(
    kind: Kind,
    shape: Cursors,
    key: sa.Tuple,
    names: tuple[str, str],
    kinds: tuple[sa.types.TypeEngine[Any], sa.types.TypeEngine[Any]],
    *,
    descending: bool,
) -> dict[Side, Bound]:
    """Return the bounds that the given cursors set to the key of a row, in the order of the list."""

    def cursor(side: Side) -> sa.Tuple:
        values = zip(names, kinds, strict=True)
        return sa.tuple_(*(unplanned(kind, named(f"{side}_{name}", of)) for name, of in values))

    found: dict[Side, Bound] = {}
    if shape.after:
        start = cursor("after")
        found["after"] = Bound(key < start, key >= start) if descending else Bound(key > start, key <= start)
    if shape.before:
        end = cursor("before")
        found["before"] = Bound(key > end, key <= end) if descending else Bound(key < end, key >= end)
    return found
