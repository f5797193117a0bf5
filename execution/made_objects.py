"""The source of objects that are made of columns of narrow rows, field by field: without the object, if it can be."""

from collections.abc import Iterable

from execution.module import Module
from execution.raw import converter
from execution.relations import FromRow
from execution.row_values import converted
from execution.sources import NarrowRows, NeedsWholeRow


class MadeRows(NarrowRows):
    """The columns of narrow rows under the names of the fields of `FromRow.row`."""

    def __init__(self, module: Module, rows: NarrowRows, made_of: FromRow, selected: Iterable[str]) -> None:
        """`selected` are the attributes of the object that are selected."""
        super().__init__(made_of.row, rows.raw, is_table=rows.is_table)
        self._module = module
        self._rows = rows
        self._made_of = made_of
        self._fields: tuple[str, ...] = getattr(made_of.row, "_fields")  # noqa: B009 # the bound cannot say that it is a NamedTuple
        computed = [made_of.computed[name] for name in selected if name in made_of.computed]
        self._needed = frozenset[str]().union(*computed)
        self._is_made = False

    def index(self, column: str) -> int:
        """Return the index of a column in the rows. Raises NeedsWholeRow for a field that is none."""
        if column not in self._fields or column in self._made_of.constants:
            raise NeedsWholeRow
        return self._rows.index(self._made_of.renamed.get(column, column))

    def computed(self, name: str) -> str | None:
        """Return the source of an attribute that is computed by an object with the columns that it reads, in the local
        variable `m`; None for a column."""
        if name not in self._made_of.computed:
            return None
        made, self._is_made = "m" if self._is_made else f"(m := {self._made()})", True
        return f"{made}.{name}"

    def _made(self) -> str:
        values = [self._value(name) if name in self._needed else "None" for name in self._fields]
        return f"{self._module.constant(self._made_of.row)}({', '.join(values)})"

    def _value(self, name: str) -> str:
        return converted(self._module, f"o[{self.index(name)}]", converter(self._made_of.row, name, self.raw))
