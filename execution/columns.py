"""The functions that read and complete one field of all objects of a level."""

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

from execution.deviation import NULL, Deviation
from execution.sites import Slots
from execution.values import Column, Completion, Pure


def completing(resolve: Column, completion: Completion) -> Column:
    """Return the column whose values `resolve` reads."""
    if isinstance(completion, Pure):
        pure = completion.many

        async def complete(objects: Sequence[Any], slots: Slots) -> Sequence[Any]:
            return pure(await resolve(objects, slots), slots)

        return complete
    awaiting = completion.many

    async def complete_awaiting(objects: Sequence[Any], slots: Slots) -> Sequence[Any]:
        return await awaiting(await resolve(objects, slots), slots)

    return complete_awaiting


def check_object(value: Any) -> None:
    """Raise for a value that is no object, as graphql-core does; any other one is read by its attributes."""
    if value is None:
        raise Deviation(NULL)
    if isinstance(value, Exception):
        raise value


def light_class(needs: tuple[str, ...]) -> Callable[..., Any]:
    """Return the class of objects that have only these attributes."""
    found = _LIGHT.get(needs)
    if found is None:
        # Its fields are known at run time only.
        found = _LIGHT[needs] = namedtuple("NarrowRow", needs)  # pyright: ignore[reportUntypedNamedTuple]
    return found


_LIGHT: dict[tuple[str, ...], Callable[..., Any]] = {}
