"""Modules that most processes never use, imported at their first use: each costs time at the start, and memory."""

import importlib
from typing import Any


class _LazyModule:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


def lazily(name: str) -> Any:
    """Return a stand-in for a module, which is imported when an attribute of it is used.

    The type checker should see an ordinary import, under `if TYPE_CHECKING`.
    """
    return _LazyModule(name)
