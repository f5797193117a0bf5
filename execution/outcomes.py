"""The data of answers, and what a mutation has done so far."""

from dataclasses import dataclass, field
from typing import Any

import orjson

Data = dict[str, Any]


class Encoded:
    """The data of an answer as JSON. `fragment` is how it becomes a part of a larger value that orjson encodes."""

    __slots__ = ("fragment", "json")

    def __init__(self, json: bytes) -> None:
        self.json = json
        self.fragment = orjson.Fragment(json)


@dataclass
class Outcomes:
    """What the root fields of a mutation have done, by response key."""

    completed: Data = field(default_factory=dict[str, Any])
    """The answers of the fields that are complete."""

    results: Data = field(default_factory=dict[str, Any])
    """The result, or the error, of the resolver of the field that could not be completed."""
