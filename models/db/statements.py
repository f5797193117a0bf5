"""Statements in SQLAlchemy Core that are compiled once, and executed with the values of their parameters.

Building and compiling a statement at each call costs more than the database needs to execute it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from itertools import compress
from operator import is_not, itemgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import UpdateBase
from sqlmodel.sql.sqltypes import UTCDateTime

from models.lazy_import import lazily

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import asyncpg
else:
    # A server with SQLite does without it.
    asyncpg = lazily("sqlalchemy.dialects.postgresql.asyncpg")

Row = Sequence[Any]
Arguments = tuple[Any, ...]
Values = Mapping[str, Any]
Convert = Callable[[Any], Any]
RowT = TypeVar("RowT", bound=tuple[Any, ...])
T = TypeVar("T")

Returning = sa.Select[*tuple[Any, ...]] | UpdateBase
"""A statement that returns rows: a SELECT, or an INSERT, UPDATE or DELETE with or without RETURNING."""

Kind = str
"""The name of an SQLAlchemy dialect: sqlite or postgresql."""

_UTC: sa.ColumnElement[str] = sa.literal_column("'UTC'")
# https://www.postgresql.org/docs/current/functions-formatting.html
_STORED_FORMAT: sa.ColumnElement[str] = sa.literal_column("'YYYY-MM-DD HH24:MI:SS.US'")

_PLUS: operators.custom_op[Any] = operators.custom_op("+")

_is_set = partial(is_not, None)

# The characters of a name in JSON that is kept.
SHORT_NAME = 40

# How many shapes of one statement stay compiled: by the columns that operations select, and by filters.
SHAPES = 256


class Statement:
    """A statement in the SQL of one kind of database. Its parameters are the bind parameters that were given a name.

    The names in `arguments` are those without `prefix`.
    """

    __slots__ = ("_bound", "_conversions", "_convertible", "_converts", "_converts_arguments", "_take", "text")

    def __init__(self, kind: Kind, statement: Returning, prefix: str = "") -> None:
        """Compile for a kind of database. Values in the conditions that have no name become constants."""
        dialect = _dialect(kind)
        self._converts = [_converter(column.type, dialect) for column in statement.exported_columns]
        self._conversions = [(index, convert) for index, convert in enumerate(self._converts) if convert is not None]
        self._convertible = [convert is not None for convert in self._converts]
        if kind == "postgresql" and isinstance(statement, sa.Select):
            statement = _with_instants_as_text(statement)
        compiled = statement.compile(dialect=dialect)
        self.text = compiled.string
        bound = [(name, compiled.binds[name]) for name in compiled.positiontup or ()]
        self._bound = [_bound(bind, name.removeprefix(prefix), dialect) for name, bind in bound]
        names = [name for name, _, _ in self._bound if name is not None]
        converts = [(index, each) for index, (_, each, _) in enumerate(self._bound) if each is not None]
        # With what each conversion makes of null, which most columns of a new row are.
        self._converts_arguments = [(index, each, each(None)) for index, each in converts]
        # The values of all parameters, if there are several and none is a constant.
        self._take = itemgetter(*names) if len(names) == len(self._bound) > 1 else None

    def arguments(self, values: Values) -> Arguments:
        """Return the arguments of the statement in its order, as the driver takes them."""
        if self._take is not None:
            taken: list[Any] = list(self._take(values))
            for index, convert, null in self._converts_arguments:
                value = taken[index]
                taken[index] = null if value is None else convert(value)
            return tuple(taken)
        return tuple(
            [
                constant if name is None else values[name] if convert is None else convert(values[name])
                for name, convert, constant in self._bound
            ]
        )

    def converted(self, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
        """Return the driver's rows with the Python values of the columns' types, as SQLAlchemy would."""
        if len(rows) <= 1:
            return [self._converted(row) for row in rows]
        columns = zip(zip(*rows, strict=True), self._converts, strict=True)
        return list(
            zip(*(values if convert is None else map(convert, values) for values, convert in columns), strict=True)
        )

    def _converted(self, row: Row) -> tuple[Any, ...]:
        values = list(row)
        # Most columns that are converted are null in most rows: the loop has no turn for them.
        found = list(compress(row, self._convertible))
        for (index, convert), value in compress(zip(self._conversions, found, strict=True), map(_is_set, found)):
            values[index] = convert(value)
        return tuple(values)


@cache
def _dialect(kind: Kind) -> sa.Dialect:
    # The version of the server changes nothing in the statements of this program.
    return sqlite.dialect(paramstyle="qmark") if kind == "sqlite" else asyncpg.dialect()


def rows_of(row: type[RowT], statement: Statement, rows: Sequence[Row]) -> list[RowT]:
    """Return the driver's rows as a NamedTuple whose fields are the selected columns in order."""
    make: Callable[[Row], RowT] = getattr(row, "_make")  # noqa: B009 # the bound cannot say that it is a NamedTuple
    return list(map(make, statement.converted(rows)))


def named(name: str, of: sa.types.TypeEngine[Any]) -> sa.BindParameter[Any]:
    """Return a parameter of a statement."""
    return sa.bindparam(name, type_=of)


def among(
    kind: Kind, column: sa.ColumnElement[Any], name: str, *, one: bool = False, planned: bool = True
) -> sa.ColumnElement[bool]:
    """Return the condition that a column is one of the texts in the parameter `name`, for any number of them.

    With `one`, it is a list of one text; SQLite finds that in half the time. Unless `planned`, see `unplanned`.
    """
    if kind == "postgresql":
        texts = sa.ARRAY(sa.Text())
        value = sa.bindparam(name, type_=texts)
        return column == sa.any_(value if planned else sa.cast(unplanned(kind, value), texts))
    if one:
        return column == sa.bindparam(name, type_=_OnlyText())
    each = sa.func.json_each(sa.bindparam(name, type_=_JsonArray())).table_valued("value")
    return column.in_(sa.select(each.c.value))


def without_index(kind: Kind, column: sa.ColumnElement[T]) -> sa.ColumnElement[T]:
    """Return a column that SQLite looks up in no index (https://www.sqlite.org/optoverview.html#uplus)."""
    if kind != "sqlite":
        return column
    return sa.UnaryExpression(column, operator=_PLUS, type_=column.type)


def hidden(column: sa.ColumnElement[T]) -> sa.ColumnElement[T]:
    """Return the value of a column that Postgres looks up in no index."""
    return sa.func.coalesce(column, sa.null())


def unplanned(kind: Kind, value: sa.ColumnElement[T]) -> sa.ColumnElement[T]:
    """Return a parameter by whose value Postgres does not plan: it then keeps the plan of a statement, where planning
    takes longer than the rest. For statements of which one plan suits all values."""
    return value if kind == "sqlite" else sa.select(value).scalar_subquery()


def between(column: sa.ColumnElement[T], low: sa.ColumnElement[T], high: sa.ColumnElement[T]) -> sa.ColumnElement[bool]:
    """Return the condition that a column is between two values that Postgres does not see.

    It supposes that a two-hundredth of the rows is (DEFAULT_RANGE_INEQ_SEL), and so takes an index that begins with the
    column. For filters of which this program knows that they leave few rows.
    """
    least, most = (unplanned("postgresql", each) for each in (low, high))
    return (column >= least) & (column <= most)


class _JsonArray(sa.types.TypeDecorator[Sequence[str]]):
    """A list of texts as one parameter, which SQLite reads with json_each."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else orjson.dumps(value).decode()


class _OnlyText(sa.types.TypeDecorator[Sequence[str]]):
    """A list of one text, as this text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else value[0]


def _bound(bind: sa.BindParameter[Any], name: str, dialect: sa.Dialect) -> tuple[str | None, Convert | None, Any]:
    """Return the name of a parameter with its conversion, or the constant."""
    convert = _binder(bind.type, dialect)
    if bind.required:
        return name, convert, None
    value: Any = bind.effective_value
    return None, None, value if convert is None else convert(value)


def _binder(of: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Convert | None:
    """Return the conversion of a Python value to what the driver takes; None if there is none.

    It does what SQLAlchemy's does; where a change writes many values, in a fraction of its time.
    """
    convert = cast("Convert | None", of.dialect_impl(dialect).bind_processor(dialect))
    if convert is None:
        return None
    if isinstance(of, UTCDateTime) and dialect.name == "sqlite":
        return lambda value: (
            _stored_instant(value) if type(value) is datetime and value.tzinfo is UTC else convert(value)
        )
    if isinstance(of, sa.Enum) and of.enum_class is not None:
        return {None: None, **{member: member.value for member in of.enum_class}}.__getitem__
    if isinstance(of, sa.JSON):
        return _json_binder(convert)
    return convert


def _json_binder(convert: Convert) -> Convert:
    """Return the conversion of a JSON value. What most rows hold is kept: an empty object, or one short name in a list,
    such as what an event has changed."""
    empty = convert({})

    @lru_cache(SHAPES)
    def list_of(name: str) -> Any:
        return convert([name])

    def bind(value: Any) -> Any:
        match value:
            case {} if not value:
                return empty
            case [str(name)] if len(name) <= SHORT_NAME:
                return list_of(name)
            case _:
                return convert(value)

    return bind


# A change writes its instant in several columns and rows.
@lru_cache(16)
def _stored_instant(value: datetime) -> str:
    return value.isoformat(" ", "microseconds")[:-6]


def _converter(of: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Convert | None:
    """Return the conversion of a driver's value to the Python value of a column's type; None if there is none."""
    if isinstance(of, sa.Enum) and of.enum_class is not None:
        return {None: None, **{member.value: member for member in of.enum_class}}.__getitem__
    if isinstance(of, (sa.Integer, sa.Float)):
        return None
    if isinstance(of, UTCDateTime):
        return instant
    if dialect.name == "sqlite" and isinstance(of, sa.JSON):
        return _json
    return cast("Convert | None", of.dialect_impl(dialect).result_processor(dialect, None))


def _with_instants_as_text(select: sa.Select[*tuple[Any, ...]]) -> sa.Select[*tuple[Any, ...]]:
    """Return the SELECT with instants in the text that SQLite stores.

    asyncpg makes an object of each, and writing its text into an answer takes five times as long as changing a text.
    """
    columns = list(select.selected_columns)
    if not any(isinstance(column.type, UTCDateTime) for column in columns):
        return select
    selected = [
        sa.func.to_char(sa.func.timezone(_UTC, column), _STORED_FORMAT).label(column.key)
        if isinstance(column.type, UTCDateTime)
        else column
        for column in columns
    ]
    return select.with_only_columns(*selected, maintain_column_froms=True)


def _json(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def instant(text: str | datetime | None) -> datetime | None:
    """Return the instant that SQLite stores as text in UTC, without an offset, and that Postgres makes this text of.

    An INSERT or UPDATE on Postgres returns the instant itself.
    """
    return datetime.fromisoformat(text + "+00:00") if isinstance(text, str) else text


def utc(raw: str | datetime) -> datetime:
    """Return an instant as the driver of either database returns it."""
    return datetime.fromisoformat(raw + "+00:00") if isinstance(raw, str) else raw.astimezone(UTC)
