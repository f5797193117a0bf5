"""Comparison of the input of what was bought with that of an order, without keeping the former."""

import hashlib
import json
from collections.abc import Mapping
from typing import cast

# None for a value that cannot be compared.
Digest = bytes | None


def digests(value: object) -> Mapping[str, Digest]:
    """Return a digest of each field of an input; none for anything but an object."""
    if not isinstance(value, dict):
        return {}
    return {name: _digest(field) for name, field in cast("dict[str, object]", value).items()}


def fit(known: Mapping[str, Digest], expected: Mapping[str, object]) -> bool:
    """Return whether an input with these digests has all expected fields. It may have more: Replicate adds defaults."""
    if not known:
        return False
    return all(name in known and _equal(known[name], _digest(value)) for name, value in expected.items())


def _equal(one: Digest, other: Digest) -> bool:
    return one is None or other is None or one == other


def _digest(value: object) -> Digest:
    # A file may be given inline and returned as an address.
    if isinstance(value, str) and value[:5].lower() == "data:":
        return None
    try:
        text = json.dumps(_plain(value), sort_keys=True)
    except RecursionError:
        return None
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:8]


def _plain(value: object) -> object:
    """Return the value with whole numbers as int, since JSON does not distinguish 5 from 5.0."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_plain(item) for item in cast("list[object]", value)]
        case dict():
            return {name: _plain(item) for name, item in cast("dict[str, object]", value).items()}
        case _:
            return value
