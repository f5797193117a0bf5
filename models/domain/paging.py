"""Keyset paging by the Relay cursor connection specification: https://relay.dev/graphql/connections.htm

A cursor holds the name of its order and the ordering key of a row, so that a cursor of another list is detected.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar, cast

from models.domain.errors import Invalid

MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window:
    """The requested part of an ordered list. `limit` None means all of it; cursors are decoded keys."""

    limit: int | None
    backward: bool = False
    after: tuple[str, ...] | None = None
    before: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page in the order of the list, and whether there are more items on either side."""

    items: Sequence[T]
    has_next: bool
    has_previous: bool


class Beyond(NamedTuple):
    """Whether the list has items outside the cursors: at or in front of `after`, and at or behind `before`."""

    after: bool = False
    before: bool = False


def window(
    *,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    default: int | None = DEFAULT_PAGE_SIZE,
) -> Window:
    """Return the window of the four arguments of a connection. Raises Invalid naming the invalid one."""
    if first is not None and last is not None:
        raise Invalid("Give first or last, not both.", ["last"])
    for name, value in (("first", first), ("last", last)):
        if value is not None and not 1 <= value <= MAX_PAGE_SIZE:
            raise Invalid(f"{name} must be from 1 to {MAX_PAGE_SIZE}.", [name])
    return Window(
        limit=last if last is not None else first if first is not None else default,
        backward=last is not None,
        after=decode("after", after),
        before=decode("before", before),
    )


def page(found: Sequence[T], requested: Window, beyond: Beyond) -> Page[T]:
    """Return the page from the rows of a query in the direction of the window, with one row more than its limit."""
    more = requested.limit is not None and len(found) > requested.limit
    items = list(found[: requested.limit])
    if requested.backward:
        return Page(items[::-1], has_next=beyond.before, has_previous=more or beyond.after)
    return Page(items, has_next=more or beyond.before, has_previous=beyond.after)


def encode(key: Sequence[str]) -> str:
    """Return an opaque cursor for the ordering key of a row."""
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def decode(argument: str, cursor: str | None) -> tuple[str, ...] | None:
    """Return the key in a cursor. Raises Invalid for text that is no cursor."""
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
    """Return the refusal of a cursor that does not belong to the list."""
    return Invalid(f"{argument} is not a cursor of this list.", [argument])


def _storable(text: str) -> bool:
    """Whether drivers accept the text: they fail on NUL and unpaired surrogates."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
