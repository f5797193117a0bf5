"""The completion of values, level by level.

A value is completed by functions of two forms: `one` for a single value, as the source of a call, and `many` for the
values of a level. Functions that never await take part in generated expressions; the others exist as `many` only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Final

from execution.deviation import NULL, TYPE, deviate
from execution.sites import Slots

Many = Callable[[Sequence[Any], Slots], list[Any]]
ManyAsync = Callable[[Sequence[Any], Slots], Awaitable[list[Any]]]
Column = Callable[[Sequence[Any], Slots], Awaitable[Sequence[Any]]]
"""Reads and completes one field of all objects of a level."""


class Pure:
    """A completion that never awaits. Its functions are made when something uses them."""

    def __init__(self, one: Callable[[], Callable[[str], str]], many: Callable[[], Many]) -> None:
        self._one = one
        self._many = many

    @cached_property
    def one(self) -> Callable[[str], str]:
        """Makes the source of the completed value from that of the value."""
        return self._one()

    @cached_property
    def many(self) -> Many:
        """Completes the values of a level."""
        return self._many()


LATER: Final = object()
"""Stands for a value whose completion awaits."""


@dataclass(frozen=True, slots=True)
class Awaiting:
    """A completion that awaits. `at_once` completes the values that need no wait, and returns LATER for the others."""

    many: ManyAsync
    at_once: Callable[[Any, Slots], Any] | None = None


Completion = Pure | Awaiting


def items(value: Any) -> Sequence[Any]:
    """Return the items of a list. Raises Deviation for other iterables, which graphql-core can iterate only once."""
    return value if isinstance(value, _LISTS) else deviate(TYPE)  # pyright: ignore[reportUnknownVariableType] # of anything


_LISTS: Final = (list, tuple)


def one_list(many: Callable[[], Many], *, nullable: bool) -> Callable[[Any, Slots], Any]:
    """Return the completion of one list, from the completion of items."""
    complete = many()

    def one(value: Any, slots: Slots) -> Any:
        if value is None:
            return None if nullable else deviate(NULL)
        return complete(items(value), slots)

    return one


def awaiting_lists(many: ManyAsync, *, nullable: bool) -> ManyAsync:
    """Return the completion of many lists; the items of all of them are one level."""

    async def lists(values: Sequence[Any], slots: Slots) -> list[Any]:
        if not nullable and None in values:
            deviate(NULL)
        found = [None if value is None else items(value) for value in values]
        completed = iter(await many(list(chain.from_iterable(each for each in found if each)), slots))
        return [None if each is None else [next(completed) for _ in each] for each in found]

    return lists


async def present(values: Sequence[Any], slots: Slots, many: ManyAsync, *, nullable: bool) -> list[Any]:
    """Complete the values that are not null, and keep the nulls in place."""
    if not any(value is None for value in values):
        return await many(values, slots)
    if not nullable:
        deviate(NULL)
    completed = iter(await many([value for value in values if value is not None], slots))
    return [None if value is None else next(completed) for value in values]


async def columns(columns: Sequence[Column], objects: Sequence[Any], slots: Slots) -> Sequence[Sequence[Any]]:
    """Read the fields of a level at the same time, as graphql-core would, so that loaders batch over fields."""
    if len(columns) == 1:
        return [await columns[0](objects, slots)]
    return await all_of([column(objects, slots) for column in columns])


async def all_of(awaitables: Iterable[Awaitable[Any]]) -> list[Any]:
    """Await all at the same time and return the results. When some fail, raise the first error once all have ended.

    None is canceled because of another: a canceled read would break the snapshot in which the operation is repeated.
    """
    pending = list(awaitables)
    if len(pending) == 1:
        return [await pending[0]]
    results = await asyncio.gather(*pending, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
