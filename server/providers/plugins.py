"""Providers of other packages: entry points of the group `scenewire.providers`."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from providers.port import Provider

GROUP = "scenewire.providers"
BUILT_IN = frozenset({"local", "scripted", "replicate", "openrouter", "fal", "comfyui", "leased", "external"})
_METHODS = ("submit", "follow", "cancel", "close")


class Unusable(ValueError):
    """A provider of another package cannot be used. The message is one line for the operator."""


@cache
def found() -> dict[str, EntryPoint]:
    """Return the entry points by name, without loading them. Raises Unusable for a name that is used twice."""
    named: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in BUILT_IN:
            raise Unusable(f"{_label(entry)} has the name of a built-in provider")
        if entry.name in named and named[entry.name].value != entry.value:
            raise Unusable(f"{_label(entry)} has the same name as {_label(named[entry.name])}")
        named[entry.name] = entry
    return dict(sorted(named.items()))


def load(entry: EntryPoint) -> Provider:
    """Import and call the object of the entry point. Raises Unusable unless it returns a provider of that name."""
    try:
        provider: object = entry.load()()
    except Exception as error:
        reason = " ".join(str(error).split())
        raise Unusable(f"{_label(entry)} cannot be loaded: {type(error).__name__}: {reason}") from error
    missing = [method for method in _METHODS if not callable(getattr(provider, method, None))]
    if missing:
        raise Unusable(f"{_label(entry)} is not a provider: it has no {', '.join(missing)}")
    name: object = getattr(provider, "name", None)
    if name != entry.name:
        raise Unusable(f"{_label(entry)} returns a provider named {name!r}")
    return cast("Provider", provider)


def _label(entry: EntryPoint) -> str:
    package = f" of {entry.dist.name}" if entry.dist is not None else ""
    return f"the provider {entry.name}{package} ({entry.value})"
