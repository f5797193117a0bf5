"""Keyset paging by the Relay cursor connection specification: https://relay.dev/graphql/connections.htm

A cursor holds the name of its order and the ordering key of a row, so that one of another list is known for what it is.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from models.domain.errors import Invalid

MOST_A_PAGE = 100
DEFAULT_A_PAGE = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of an ordered list is asked for. `limit` is None for all of it; cursors are decoded keys."""

    limit: int | None
    backward: bool = False
    after: tuple[str, ...] | None = None
    before: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page, in the order of the list, and whether there is more on either side."""

    items: Sequence[T]
    has_next: bool
    has_previous: bool


def window(
    *,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    default: int | None = DEFAULT_A_PAGE,
) -> Window:
    """Check the four arguments of a connection. Raises Invalid naming the one that is wrong."""
    if first is not None and last is not None:
        raise Invalid("Give first or last, not both.", ["last"])
    for name, value in (("first", first), ("last", last)):
        if value is not None and not 1 <= value <= MOST_A_PAGE:
            raise Invalid(f"{name} must be from 1 to {MOST_A_PAGE}.", [name])
    return Window(
        limit=last if last is not None else first if first is not None else default,
        backward=last is not None,
        after=decode("after", after),
        before=decode("before", before),
    )


def page(found: Sequence[T], asked: Window) -> Page[T]:
    """Cut what a query found, asked for one row more than the limit and in the direction of the window."""
    more = asked.limit is not None and len(found) > asked.limit
    items = list(found[: asked.limit])
    if asked.backward:
        return Page(items[::-1], has_next=asked.before is not None, has_previous=more)
    return Page(items, has_next=more, has_previous=asked.after is not None)


def encode(key: Sequence[str]) -> str:
    """An opaque cursor from the ordering key of a row."""
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def decode(argument: str, cursor: str | None) -> tuple[str, ...] | None:
    """The key in a cursor. Raises Invalid for one that we never gave out."""
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        key: object = json.loads(raw)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise invalid_cursor(argument) from error
    if not isinstance(key, list):
        raise invalid_cursor(argument)
    parts = cast("list[object]", key)
    texts = tuple(part for part in parts if isinstance(part, str) and _storable(part))
    if len(texts) != len(parts):
        raise invalid_cursor(argument)
    return texts


def invalid_cursor(argument: str) -> Invalid:
    """The refusal of a cursor that is not of the list it was given to."""
    return Invalid(f"{argument} is not a cursor of this list.", [argument])


def _storable(text: str) -> bool:
    """Drivers choke on NUL and broken surrogates."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
