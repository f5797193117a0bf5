"""Values of parsed JSON, which may be anything."""

from typing import TypeGuard, cast


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def items(value: object) -> list[object]:
    """Return the items of an array; none of anything else."""
    return cast("list[object]", value) if isinstance(value, list) else []
