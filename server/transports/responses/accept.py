"""Content negotiation: the media type of the response, from the Accept header (RFC 9110, 12.5.1).

Two rules come from the GraphQL specifications: a wildcard means `application/json`, as for clients from before 2025,
and an event stream is sent only to a client that names it and prefers it to JSON.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
EVENT_STREAM: Final = "text/event-stream"
HTML: Final = "text/html"


@dataclass(frozen=True, slots=True)
class MediaRange:
    name: str
    quality: float
    position: int


def preferred(header: str) -> str | None:
    """Return the media type of the response; None when the client accepts none of those supported."""
    return (_preferred_cached if len(header) <= _CACHEABLE_CHARACTERS else _preferred)(header)


def _preferred(header: str) -> str | None:
    if not header.strip():
        return JSON
    ranges = _parse(header)
    best_rank: tuple[float, int] | None = None
    best: str | None = None
    for offer, wildcards in _OFFERS.items():
        matched = _most_specific(ranges, offer, wildcards)
        if matched is None or matched.quality == 0:
            continue
        rank = (matched.quality, -matched.position)
        if best_rank is None or rank > best_rank:
            best_rank, best = rank, offer
    return best


def names(header: str, media_type: str) -> bool:
    """Return whether the header names the media type without a wildcard, as browsers do for HTML."""
    return any(entry.name == media_type and entry.quality > 0 for entry in _parse(header))


def _most_specific(ranges: list[MediaRange], offer: str, wildcards: tuple[str, ...]) -> MediaRange | None:
    for name in (offer, *wildcards):
        for entry in ranges:
            if entry.name == name:
                return entry
    return None


def _parse(header: str) -> list[MediaRange]:
    ranges: list[MediaRange] = []
    for position, entry in enumerate(header.split(",")):
        name, *parameters = (part.strip().lower() for part in entry.split(";"))
        ranges.append(MediaRange(name, _quality(parameters), position))
    return ranges


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return min(float(value), 1.0) if _QUALITY.fullmatch(value.strip()) else 0.0
    return 1.0


_QUALITY = re.compile(r"[01](\.[0-9]*)?")
# A client sends the same header with each request.
_CACHEABLE_CHARACTERS = 200
_preferred_cached = lru_cache(256)(_preferred)
_JSON_WILDCARDS = ("application/*", "*/*")
_OFFERS: dict[str, tuple[str, ...]] = {
    JSON: _JSON_WILDCARDS,
    GRAPHQL_RESPONSE: _JSON_WILDCARDS,
    EVENT_STREAM: (),
}
