"""The values of narrow rows: how those of the database driver become answers and attributes."""

from typing import Any

import orjson

from execution.raw import RawValues
from models.db.statements import Kind, instant
from models.domain import rfc3339


def raw_values(kind: Kind) -> RawValues:
    """Return the conversions for a kind of database. asyncpg returns instants in UTC, and JSON is decoded."""
    if kind == "sqlite":
        return RawValues(answers={"DateTime": answer_of_text}, instant=instant, json=orjson.loads)
    return RawValues(answers={"DateTime": rfc3339.text}, instant=_same, json=_same)


def answer_of_text(stored: str) -> str:
    """Return an instant as in an answer, such as 2026-01-31T12:00:00Z, from SQLite's 2026-01-31 12:00:00.000000."""
    # Most instants do not end with a zero, and one comparison is all that they cost. Lists have thousands of them.
    if stored[-1] == "0" and stored[-7:] == ".000000":
        stored = stored[:-7]
    return stored.replace(" ", "T", 1) + "Z"


def _same(value: Any) -> Any:
    return value
