"""Values that are remembered for a moment, by whatever they belong to."""

import time
from collections.abc import Hashable
from typing import Final

SECONDS: Final = 5.0
MOST: Final = 1_000


class Recent:
    """Numbers that may be SECONDS old: for decisions on how something is read, never for what is read."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, int]] = {}

    def get(self, key: Hashable) -> int | None:
        """Return the number that was put last for the key; None when there is none, or an old one."""
        until, number = self._kept.get(key, (0.0, 0))
        return number if time.monotonic() < until else None

    def put(self, key: Hashable, number: int) -> None:
        """Remember a number; of more than MOST, those that were put first are forgotten."""
        self._kept.pop(key, None)
        self._kept[key] = (time.monotonic() + SECONDS, number)
        if len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]
