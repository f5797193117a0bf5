"""What a type and its fields declare so that rendered objects can be kept as long as their version stays the same, and
whole answers as long as the database does.

A field that declares nothing is never kept, nor is anything that contains it.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

VERSIONED: Final = "versioned"
"""The metadata key of a `Versioned`, for fields that are no plain columns."""

STORED: Final = "stored"
"""The metadata key, with any value, of a field that depends only on stored rows, on its arguments and on who asks.

It may change without a version, but not with time. A field with `VERSIONED` has this property, too. So have the plain
fields of a type with the attribute `versioned_columns` or `stored_columns`.
"""


@dataclass(frozen=True, slots=True)
class Versioned:
    """A field whose value changes only with the version of the object that is kept, with these exceptions."""

    moving: bool = False
    """Whether it also depends on what `FragmentOf.moving` returns."""

    unless: frozenset[str] = frozenset()
    """The schema's names of arguments with which it may change at any time; `false` counts as not given."""

    key: Callable[[Any], Hashable] | None = None
    """Returns what else it depends on, from the context of the operation."""


@dataclass(frozen=True, slots=True)
class VersionedColumns:
    """The plain fields of a type change only with the version of the object that is kept.

    A type has it as its attribute `versioned_columns`.
    """

    moving: frozenset[str] = frozenset()
    """Python names of the fields that also depend on what `FragmentOf.moving` returns."""


@dataclass(frozen=True, slots=True)
class FragmentOf:
    """How the rendered objects of a type are identified. A type has it as its attribute `fragment_of`."""

    id: str
    """The column of the row with the id."""

    version: str
    """The column of the row that differs between two states of the object and of all that is versioned below it."""

    moves: str
    """The column of the row that is 0 while nothing below the object moves without a new version."""

    moving: Callable[[Any, Sequence[str]], Awaitable[Mapping[str, Hashable]]]
    """Reads, for a context and ids of objects that move, what may change without a new version."""
