"""Where a selection finds its values: in ordinary objects, or in narrow rows (tuples of the needed columns)."""

from collections.abc import Iterable
from dataclasses import dataclass

from execution.module import attribute
from execution.raw import Convert, RawValues, Unconvertible, converter, is_exact


class NeedsWholeRow(Exception):
    """A selected field cannot be read from narrow rows."""


class NarrowRows:
    """The columns that the selections of one relation need of its rows, in the order in which they were met."""

    def __init__(self, row: type, raw: RawValues, *, is_table: bool = False, computes: bool = False) -> None:
        """For `is_table` and `computes` see `Relation`."""
        self._row = row
        self._indices: dict[str, int] = {}
        self.raw = raw
        self.computes = computes
        self.is_table = is_table

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self._indices)

    def index(self, column: str) -> int:
        """Return the index of a column in the rows."""
        return self._indices.setdefault(column, len(self._indices))

    def computed(self, _name: str) -> str | None:
        """Return the source of an attribute that is no column; None, because all are."""
        return None

    def is_exact(self, column: str, scalar: str, *, nullable: bool) -> bool:
        """Return whether the values of a column need no check to be answers for this scalar of the specification."""
        return self.is_table and is_exact(self._row, column, scalar, nullable=nullable)

    def converter(self, column: str) -> Convert | None:
        """Return the conversion to the value of an ordinary row, None if it is equal. Raises NeedsWholeRow."""
        try:
            return converter(self._row, column, self.raw)
        except Unconvertible as error:
            raise NeedsWholeRow from error


@dataclass(frozen=True, slots=True)
class Source:
    """Where the values of a selection are.

    With `rows`, they are narrow rows. With `below`, these are objects below which narrow rows are: `paths` lead there,
    as names of fields.
    """

    rows: NarrowRows | None = None
    below: NarrowRows | None = None
    paths: tuple[tuple[str, ...], ...] = ()

    def read(self, column: str, variable: str) -> str:
        """Return the source that reads a column or attribute of the object in a variable."""
        if self.rows is None:
            return variable + attribute(column)
        return f"{variable}[{self.rows.index(column)}]"

    def child(self, field: str) -> "Source":
        """Return where the values of a field are."""
        rest = tuple(path[1:] for path in self.paths if path[0] == field)
        if () in rest:
            return Source(rows=self.below)
        return Source(below=self.below, paths=rest) if rest else ORDINARY


ORDINARY = Source()


def rows_at(rows: NarrowRows, paths: Iterable[str]) -> Source:
    """Return the source of a relation's value, whose narrow rows are at these paths (`Relation.rows_at`)."""
    split = tuple(tuple(path.split(".")) for path in paths)
    return Source(below=rows, paths=split) if split else Source(rows=rows)
