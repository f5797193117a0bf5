"""The source of values that are made of the columns of narrow rows."""

from collections.abc import Sequence

from execution.columns import light_class
from execution.module import Module
from execution.raw import Convert, converter
from execution.relations import FromRow
from execution.sources import NarrowRows, Source


def converted(module: Module, value: str, convert: Convert | None) -> str:
    """Return the source of a raw value as that of an ordinary row."""
    return value if convert is None else f"(None if (t := {value}) is None else {module.constant(convert)}(t))"


def light_object(module: Module, source: Source, needs: Sequence[str]) -> str:
    """Return the source of the object with the attributes that resolvers need; the object itself if it is no row."""
    rows = source.rows
    if rows is None:
        return "o"
    made = module.constant(light_class(tuple(needs)))
    values = [converted(module, source.read(column, "o"), rows.converter(column)) for column in needs]
    return f"{made}({', '.join(values)})"


def made_value(module: Module, source: Source, rows: NarrowRows, made_of: FromRow) -> str:
    """Return the source of a value that is made of columns of the narrow row in `o`."""
    made = module.constant(made_of.row)
    names: Sequence[str] = getattr(made_of.row, "_fields")  # noqa: B009 # the bound cannot say that it is a NamedTuple
    values = [
        module.constant(made_of.constants[name])
        if name in made_of.constants
        else converted(
            module, source.read(made_of.renamed.get(name, name), "o"), converter(made_of.row, name, rows.raw)
        )
        for name in names
    ]
    return f"{made}({', '.join(values)})"
