"""The values of narrow rows: how those of the database driver become answers and attributes."""

from typing import Any

import orjson

from execution.raw import RawValues
from models.db.statements import Kind, instant


def raw_values(kind: Kind) -> RawValues:
    """Return the conversions for a kind of database: both return instants as text, and asyncpg decodes JSON."""
    answers, inline = {"DateTime": answer_of_text}, {"DateTime": source_of_answer}
    return RawValues(answers=answers, inline=inline, instant=instant, json=orjson.loads if kind == "sqlite" else _same)


def answer_of_text(stored: str) -> str:
    """Return an instant as in an answer, such as 2026-01-31T12:00:00Z, from SQLite's 2026-01-31 12:00:00.000000."""
    if stored[-7:] == ".000000":
        stored = stored[:-7]
    return stored.replace(" ", "T", 1) + "Z"


def source_of_answer(stored: str, function: str) -> str:
    """Return the source of `answer_of_text`, called as `function`, for a stored instant.

    In most instants the tenths of a second are not zero: one comparison is all that they cost. Lists have thousands.
    """
    return f'{stored}.replace(" ", "T", 1) + "Z" if {stored}[-6] != "0" else {function}({stored})'


def _same(value: Any) -> Any:
    return value
