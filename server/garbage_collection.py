"""Settings of the garbage collector for a server that has started."""

import gc
from typing import Final

YOUNG_OBJECTS: Final = 10_000
"""The new objects after which the collector looks at them: 1 to 2 MB. Requests, streams and connections leave no cycles
(tests/live/test_no_cycles.py), so there is little to find, and what lives is looked at for nothing."""


def tune() -> None:
    """Exempt all objects that exist now, which live as long as the process, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(max(YOUNG_OBJECTS, gc.get_threshold()[0]))
