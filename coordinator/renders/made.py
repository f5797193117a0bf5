"""What a take stores of the result that its provider reports, and the settings of its order."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from coordinator.commands.catalogue import describes_models
from coordinator.renders.claim import Claim
from models.domain import settings
from models.domain.rules import METADATA_BYTES
from providers.catalogue import Resolution, Settings
from providers.port import UNREPORTED, Made, Provider

log = logging.getLogger(__name__)

# Settings that a request may have although a provider without a catalogue does not support them.
_UNKNOWN_TO_PLAIN = ("aspect_ratio", "resolution")


def as_settings(stored: Mapping[str, Any] | None) -> Settings:
    """Return stored settings as those of an order; a resolution that this program does not know is left out."""
    known = {name: value for name, value in (stored or {}).items() if name in settings.NAMES}
    if "resolution" in known:
        known["resolution"] = next((each for each in Resolution if each == known["resolution"]), None)
    return Settings(**known)


def made_columns(claim: Claim, made: Made, provider: Provider | None) -> dict[str, Any]:
    """Return the columns of the take that record how it was made; none if that is what was requested."""
    columns: dict[str, Any] = {}
    if made.settings is not None:
        used = settings.folded(settings.stored(made.settings), claim.settings)
        if _is_storable(used, claim):
            columns["settings"] = used
    ignored = list(dict.fromkeys([*made.ignored, *_ignored_by_plain(claim, provider)]))
    if made == UNREPORTED and not ignored:
        return columns
    stored: dict[str, Any] = {"ignored": [str(each) for each in ignored]}
    if made.cost is not None:
        stored["cost"] = {"amount": str(made.cost.amount), "currency": made.cost.currency}
    if made.metrics and _is_storable(made.metrics, claim):
        stored["metrics"] = dict(made.metrics)
    return columns | {"made": stored}


def _ignored_by_plain(claim: Claim, provider: Provider | None) -> Iterable[str]:
    if provider is None or describes_models(provider):
        return ()
    return [settings.NAMES[name] for name in _UNKNOWN_TO_PLAIN if (claim.settings or {}).get(name) is not None]


def _is_storable(value: Mapping[str, Any], claim: Claim) -> bool:
    """Whether it is JSON of a size that answers can hold. Providers of other packages may report anything."""
    try:
        encoded = orjson.dumps(dict(value))
    except TypeError:
        encoded = None
    if encoded is not None and len(encoded) <= METADATA_BYTES and b"\\u0000" not in encoded:
        return True
    details = {"action": "render.report_not_storable", "scene": claim.scene_id}
    log.warning("the provider %s reported values that cannot be stored", claim.provider, extra=details)
    return False
