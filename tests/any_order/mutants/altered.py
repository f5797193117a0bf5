"""The base of mutants that change what is written of a scene."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from models.db.rows import SceneRow
from models.domain.events import EventType
from models.writes.change import Change

Values = dict[str, Any]

_write_scene = Change.write_scene


@contextmanager
def altered(kind: EventType, alter: Callable[[SceneRow, Values], object]) -> Generator[None]:
    """Alter the keyword arguments of `write_scene` for events of this kind."""

    async def write_scene(
        self: Change,
        before: SceneRow,
        event: EventType,
        changed: Sequence[str],
        **values: Any,
    ) -> SceneRow:
        if event is kind:
            alter(before, values)
        return await _write_scene(self, before, event, changed, **values)

    with patch.object(Change, "write_scene", write_scene):
        yield
