"""The values of narrow rows become the same answers as those of whole rows."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from execution.module import Module
from execution.raw import is_exact
from execution.unpacking import unpacking
from models.db.rows import JobRow, SceneRow
from models.db.statements import instant
from models.db.tables import JOB
from models.domain import rfc3339
from schema.raw import answer_of_text, source_of_answer

FIRST = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("microseconds", [0, 1, 10, 100, 1_000, 100_000, 120_000, 999_900, 999_999, 86_400_000_000])
def test_stored_text_of_instant_is_answered_as_the_instant(microseconds: int) -> None:
    """Without a fraction for a whole second, otherwise with six digits."""
    value = FIRST + timedelta(microseconds=microseconds)
    dialect = sqlite.dialect()
    store = JOB.c.created_at.type.dialect_impl(dialect).bind_processor(dialect)
    assert store is not None
    stored = store(value)
    assert answer_of_text(stored) == rfc3339.text(value)
    module = Module()
    source = source_of_answer("stored", module.constant(answer_of_text))
    assert module.function(["stored"], [f"return {source}"])(stored) == rfc3339.text(value)
    assert instant(stored) == value


@given(st.lists(st.tuples(*[st.sampled_from([None, "2026-01-31 12:00:00.000000", "2026-01-31 12:00:00.500000"])] * 2)))
def test_instants_that_rows_share_are_answered_for_each(rows: list[tuple[str | None, str | None]]) -> None:
    """Whatever the row before has, null included, in each of its columns."""
    module = Module()
    answer = module.constant(answer_of_text)
    converted = {f"(None if {item} is None else {answer}({item}))": item for item in ("o[0]", "o[1]")}
    first, second = converted
    many = unpacking(module, [], f"[{first}, {second}]", converted)
    expected = [[None if each is None else answer_of_text(each) for each in row] for row in rows]
    assert many(rows, []) == expected


@pytest.mark.parametrize(
    ("row", "column", "scalar", "nullable", "exact"),
    [
        (SceneRow, "prompt", "String", False, True),
        (SceneRow, "id", "ID", False, True),
        (SceneRow, "position", "Int", False, True),
        (SceneRow, "duration_seconds", "Float", False, True),
        (SceneRow, "title", "String", True, True),
        (SceneRow, "title", "String", False, False),
        (SceneRow, "position", "Float", False, False),
        (SceneRow, "prompt", "Int", False, False),
        (SceneRow, "status", "String", False, False),
        (SceneRow, "created_at", "String", False, False),
        (JobRow, "metadata", "String", False, False),
        (JobRow, "missing", "String", True, False),
    ],
)
def test_values_are_checked_unless_the_column_has_answers_only(
    row: type, column: str, scalar: str, nullable: bool, exact: bool
) -> None:
    """A null in a field that must not be null, and another type, are refused by the check."""
    assert is_exact(row, column, scalar, nullable=nullable) is exact
