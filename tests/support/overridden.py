"""What classes override of those of libraries, and what functions use."""

import inspect
from collections.abc import Callable


def parameters_of(method: Callable[..., object]) -> list[str]:
    """The names of the parameters, without those of the instance or the class."""
    return [name for name in inspect.signature(method).parameters if name not in ("self", "cls")]


def overridden(kind: type, parent: type) -> dict[str, list[str]]:
    """The methods of the parent that `kind` overrides, with the parent's parameters."""
    names = [name for name, value in vars(kind).items() if inspect.isfunction(value) and hasattr(parent, name)]
    return {name: parameters_of(getattr(parent, name)) for name in names}


def names_used_by(method: Callable[..., object]) -> tuple[str, ...]:
    """The attributes and methods that the compiled function refers to."""
    return inspect.unwrap(method).__code__.co_names
