"""Providers that other packages bring, by entry points of the group `scenewire.providers`."""

from importlib.metadata import EntryPoint, entry_points
from typing import cast

from providers.port import Provider

GROUP = "scenewire.providers"
BUILT_IN = frozenset({"local", "scripted", "replicate", "external"})
_METHODS = ("submit", "follow", "cancel", "close")


class Unusable(ValueError):
    """A provider that cannot be used; the message is one line for the operator."""


def found() -> dict[str, EntryPoint]:
    """The entry points by name, none of them loaded. Raises Unusable for a name that is taken."""
    named: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in BUILT_IN:
            raise Unusable(f"{_said(entry)} bears the name of a built-in one")
        if entry.name in named and named[entry.name].value != entry.value:
            raise Unusable(f"{_said(entry)} bears the name of {_said(named[entry.name])}")
        named[entry.name] = entry
    return dict(sorted(named.items()))


def load(entry: EntryPoint) -> Provider:
    """Import what the entry point names and call it. Raises Unusable when that does not give a provider of its name."""
    try:
        provider: object = entry.load()()
    except Exception as error:
        why = " ".join(str(error).split())
        raise Unusable(f"{_said(entry)} cannot be made: {type(error).__name__}: {why}") from error
    missing = [method for method in _METHODS if not callable(getattr(provider, method, None))]
    if missing:
        raise Unusable(f"{_said(entry)} is no provider: it has no {', '.join(missing)}")
    name: object = getattr(provider, "name", None)
    if name != entry.name:
        raise Unusable(f"{_said(entry)} calls itself {name!r}")
    return cast("Provider", provider)


def _said(entry: EntryPoint) -> str:
    package = f" of {entry.dist.name}" if entry.dist is not None else ""
    return f"the provider {entry.name}{package} ({entry.value})"
