"""What a field declares so that compiled operations read it for all objects of a level at once.

The constants are keys of a field's metadata: `strawberry.field(metadata={RELATION: Relation(...)})`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

RELATION: Final = "relation"
"""The metadata key of a `Relation`."""

NEEDS: Final = "needs"
"""The metadata key of the attributes that a field's resolver reads of its parent, a tuple of Python names.

Without it the resolver is given the whole row. With it, the resolver may be given an object that has only these."""

ROW_CLASS: Final = "row_class"
"""The attribute of an object type with the class whose values are of this type, whatever they contain.

Without it, Strawberry finds the type of each value in an interface or a union by `is_type_of`."""


FROM_ROW: Final = "from row"
"""The metadata key of a `FromRow`, for a field that has a `Relation` as well."""


class Selected(NamedTuple):
    """What a selection needs of the rows that a relation reads."""

    columns: tuple[str, ...]
    """The columns of the row type; the rows must be plain tuples that begin with them, in this order.

    Empty when a selected field needs the whole row: then the rows must be ordinary ones, with attributes."""

    fields: frozenset[str]
    """The schema's names of the fields selected directly below the relation's value, such as `nodes` and `pageInfo`."""

    is_only_read: bool = False
    """Whether the answer of a query reads nothing else, so that one statement needs no transaction."""


class Load(Protocol):
    """Reads one field for all objects of a level."""

    async def __call__(
        self, context: Any, parents: Sequence[tuple[Any, ...]], arguments: Mapping[str, Any], selected: Selected, /
    ) -> Sequence[Any]:
        """Return one value per parent, in order. Each parent is the tuple of the columns in `Relation.needs`.

        `arguments` are the keyword arguments that the field's resolver would be given. An exception fails the
        operation, which is then executed field by field.
        """
        ...


@dataclass(frozen=True, slots=True)
class Relation:
    """How one field is read for all objects of a level at once.

    Values in narrow rows are as the database driver returns them, such as instants as text on SQLite; compiled code
    converts them by the kind of the field that shows them.
    """

    needs: tuple[str, ...]
    """The columns (Python names of attributes) of the parent that `load` is given.

    Only columns whose stored value equals the attribute, such as ids: the parent may be a narrow or an ordinary row."""

    load: Load

    rows_at: tuple[str, ...] = ()
    """Where the rows are: paths below the field's value, such as ("nodes", "edges.node") for a connection.

    () when the value, or each of its items, is the row itself."""

    row: type[tuple[Any, ...]] | None = None
    """The class (a NamedTuple) of the ordinary rows, if `load` can return narrow ones.

    Its annotations say how values of narrow rows are converted for a resolver that declares what it needs: datetime, a
    subclass of Enum, bool, dict or list (JSON). Without it, `load` is always asked for ordinary rows."""

    is_table: bool = False
    """Whether the values of columns are exactly what the annotations of `row` say, so that they are not checked."""

    computes: bool = False
    """Whether the narrow rows may have the columns of `FromRow` besides those of `row`."""


@dataclass(frozen=True, slots=True)
class FromRow:
    """How a field of a query is made of its parent's narrow row, so that it needs no statement of its own.

    The columns are the fields of `row`, which is made of them with the values that their annotations name.
    """

    row: type[tuple[Any, ...]]
    """The class (a NamedTuple) of the value."""

    renamed: Mapping[str, str]
    """The columns of the parent that have another name than the field of `row`, by the latter."""

    constants: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The values of fields of `row` that no field of the schema shows, so that they are not read."""

    computed: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """The attributes of `row` that are no columns, with all fields that each of them reads. They are read of an object
    in which the other fields may be None."""
