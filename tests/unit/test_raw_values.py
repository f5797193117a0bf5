"""The values of narrow rows become the same answers as those of whole rows."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.dialects import sqlite

from models.db.statements import instant
from models.db.tables import JOB
from models.domain import rfc3339
from schema.raw import answer_of_text

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
    assert instant(stored) == value
