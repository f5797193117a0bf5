"""The scalars of the schema: DateTime and JSONObject."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

JSONObject = NewType("JSONObject", dict[str, Any])


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("DateTime must be a string such as 2026-01-31T12:00:00Z")
    instant = datetime.fromisoformat(value)
    if instant.tzinfo is None:
        raise ValueError("DateTime must have an offset, such as the Z in 2026-01-31T12:00:00Z")
    return instant.astimezone(UTC)


def _rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _object(value: object) -> JSONObject:
    if not isinstance(value, dict):
        raise ValueError("JSONObject must be an object, not an array or a scalar")
    return JSONObject(value)  # pyright: ignore[reportUnknownArgumentType] # JSON has no other keys than strings


SCALARS: Mapping[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant in RFC 3339 format. Output is in UTC; input needs an offset.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_rfc3339,
        parse_value=_instant,
    ),
    JSONObject: strawberry.scalar(
        name="JSONObject",
        description="A JSON object, not an array or a scalar; at most 16 KiB of JSON.",
        serialize=dict[str, Any],
        parse_value=_object,
    ),
}
