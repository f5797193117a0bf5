"""Headers of an ASGI scope, read without an object for all of them.

Starlette's `Headers` copies the list for each middleware and decodes every name for each look-up.
"""

from starlette.types import Scope


def values_of(scope: Scope, name: bytes) -> list[str]:
    """Return the values of all headers of this name, which is in lower case as ASGI demands of those of a scope."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def value_of(scope: Scope, name: bytes) -> str | None:
    """Return the value of the first header of this name; None without one."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return None
