"""Columns whose values are those of an enum."""

from enum import StrEnum

import sqlalchemy as sa


def _values(kind: type[StrEnum]) -> list[str]:
    return [member.value for member in kind]


def enum_column(kind: type[StrEnum]) -> sa.Enum:
    """Return a text column with a CHECK of the values: a native enum type cannot be changed in a transaction."""
    return sa.Enum(
        kind,
        values_callable=_values,
        native_enum=False,
        create_constraint=True,
        length=24,
        name=kind.__name__.lower(),
    )
