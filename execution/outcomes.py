"""What a mutation has done so far."""

from dataclasses import dataclass, field
from typing import Any

Data = dict[str, Any]


@dataclass
class Outcomes:
    """What the root fields of a mutation have done, by response key."""

    completed: Data = field(default_factory=dict[str, Any])
    """The answers of the fields that are complete."""

    results: Data = field(default_factory=dict[str, Any])
    """The result, or the error, of the resolver of the field that could not be completed."""
