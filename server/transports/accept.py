"""Which of the media types that the server can answer with does the client prefer?

RFC 9110, 12.5.1, with two rules of the GraphQL specifications: a wildcard means `application/json` until the watershed
of 2025 is history, and an event stream is only for those who name it before, or rather than, JSON.
"""

import re
from dataclasses import dataclass
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
    """The media type to answer with; None when the client accepts none of them."""
    if not header.strip():
        return JSON
    ranges = _parse(header)
    best: tuple[float, int] | None = None
    chosen: str | None = None
    for offer, wildcards in _OFFERS.items():
        matched = _most_specific(ranges, offer, wildcards)
        if matched is None or matched.quality == 0:
            continue
        rank = (matched.quality, -matched.position)
        if best is None or rank > best:
            best, chosen = rank, offer
    return chosen


def names(header: str, media_type: str) -> bool:
    """Whether the client asks for it in so many words: browsers do so for HTML."""
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
_JSON_WILDCARDS = ("application/*", "*/*")
_OFFERS: dict[str, tuple[str, ...]] = {
    JSON: _JSON_WILDCARDS,
    GRAPHQL_RESPONSE: _JSON_WILDCARDS,
    EVENT_STREAM: (),
}
