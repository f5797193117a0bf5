"""The positions in lists of jobs and scenes that cursors name."""

from datetime import UTC, datetime

from models.domain.paging import invalid_cursor
from models.reads.list_shapes import JobOrderField

# The name of the order in a cursor of scenes.
SCENE_ORDER = "POSITION"


def job_position(argument: str, order: JobOrderField, cursor: tuple[str, ...]) -> tuple[object, str]:
    """Return the value of the order and the id in a cursor of jobs. Raises Invalid, naming the argument."""
    if len(cursor) != 3 or cursor[0] != order:
        raise invalid_cursor(argument)
    _, text, job_id = cursor
    return (text if order is JobOrderField.TITLE else _instant(argument, text)), job_id


def scene_position(argument: str, cursor: tuple[str, ...]) -> tuple[int, str]:
    """Return the position and the id in a cursor of scenes. Raises Invalid, naming the argument."""
    if len(cursor) != 3 or cursor[0] != SCENE_ORDER:
        raise invalid_cursor(argument)
    _, position, scene_id = cursor
    if not position.isdecimal() or len(position) > 9:
        raise invalid_cursor(argument)
    return int(position), scene_id


def instant_position(argument: str, order: str, cursor: tuple[str, ...]) -> tuple[datetime, str]:
    """Return the instant and the id in a cursor of a list in this order. Raises Invalid, naming the argument."""
    if len(cursor) != 3 or cursor[0] != order:
        raise invalid_cursor(argument)
    return _instant(argument, cursor[1]), cursor[2]


def _instant(argument: str, text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError(text)
        return instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise invalid_cursor(argument) from error
