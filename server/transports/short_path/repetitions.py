"""What was seen before, remembered by its hash."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MOST: Final = 4_096


class Repetitions:
    """Distinguishes values seen before from new ones, as far as it remembers.

    Caches ask it, so that what comes only once costs them neither time nor memory. Two values with the same hash count
    as one.
    """

    def __init__(self) -> None:
        self._hashes: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of hashes."""
        return len(self._hashes)

    def is_repeated(self, value: Hashable) -> bool:
        """Return whether the value came before; remember that it came."""
        number = hash(value)
        if number in self._hashes:
            return True
        self._hashes[number] = None
        if len(self._hashes) > MOST:
            self._hashes.popitem(last=False)
        return False
