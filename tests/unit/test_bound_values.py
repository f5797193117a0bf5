"""Values of parameters are converted as SQLAlchemy converts them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg
from sqlmodel.sql.sqltypes import UTCDateTime

from models.db.prepared import inserts, updates
from models.db.statements import Kind, Statement, named
from models.db.tables import SCENE
from models.domain.lifecycle import SceneStatus

pytestmark = pytest.mark.sqlite_alone

DIALECTS: dict[Kind, Any] = {"sqlite": sqlite.dialect(), "postgresql": asyncpg.dialect()}
ELSEWHERE = timezone(timedelta(hours=5, minutes=30))
INSTANTS = [
    datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    datetime(2026, 1, 2, 3, 4, 5, 600_000, ELSEWHERE),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
    None,
]
JSON_VALUES: list[Any] = [{}, {"a": {}}, [], ["title", "é"], [{}], None, 0, False, "", {"a": [1.5, None, True, 2**70]}]
VALUES: list[tuple[Any, Any]] = [
    *[(UTCDateTime(), value) for value in INSTANTS],
    *[(SCENE.c.status.type, value) for value in [*SceneStatus, "FAILED", None]],
    *[(SCENE.c["metadata"].type, value) for value in JSON_VALUES],
    *[(SCENE.c.failure.type, value) for value in JSON_VALUES],
    *[(SCENE.c.percentage.type, value) for value in [0.5, None]],
]


@pytest.mark.parametrize("kind", DIALECTS)
def test_values_are_converted_as_sqlalchemy_converts_them(kind: Kind) -> None:
    """Instants, members of enums, JSON and numbers, alone and beside others."""
    dialect = DIALECTS[kind]
    for of, value in VALUES:
        convert = of.dialect_impl(dialect).bind_processor(dialect)
        expected = value if convert is None else convert(value)
        parameter = sa.select(named("value", of).label("value"))
        two = sa.select(named("value", of).label("value"), named("other", sa.Integer()).label("other"))
        assert Statement(kind, parameter).arguments({"value": value}) == (expected,)
        (found, _) = Statement(kind, two).arguments({"other": 1, "value": value})
        assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("kind", DIALECTS)
def test_an_instant_without_a_time_zone_is_refused(kind: Kind) -> None:
    """It could be any instant of a day."""
    statement = Statement(kind, sa.select(named("at", UTCDateTime()).label("at")))
    with pytest.raises(ValueError, match="timezone"):
        statement.arguments({"at": datetime(2026, 1, 2)})  # noqa: DTZ001 # that is what is refused


@pytest.mark.parametrize("kind", DIALECTS)
def test_rows_are_written_by_the_names_of_their_columns(kind: Kind) -> None:
    """An INSERT and an UPDATE take the values of the columns, in whatever order these are given."""
    (inserted,) = inserts(SCENE, [{"title": "One", "id": "scene_1"}, {"title": "Two", "id": "scene_2"}])
    (updated,) = updates(SCENE, {"scene_1": {"title": "Three", "position": 7}})
    statement = inserted.statement.on(kind)
    assert [statement.arguments(row) for row in inserted.parameters] == [("scene_1", "One"), ("scene_2", "Two")]
    assert updated.statement.on(kind).arguments(updated.parameters[0]) == (7, "Three", "scene_1")
