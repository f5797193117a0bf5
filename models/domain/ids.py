"""TypeIDs: typed, sortable ids, kept as text everywhere so that no layer converts them.

Source of the format: the TypeID specification 0.3 (prefix, underscore, 26 characters of base32 UUIDv7).
"""

import re
from typing import Literal

from typeid import TypeID

Prefix = Literal["job", "scene", "take", "webhook", "delivery", "audit"]

_SUFFIX = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}", re.ASCII)


def new(prefix: Prefix) -> str:
    """A fresh id such as `job_01kav…`; ids made later sort later, to the millisecond."""
    return str(TypeID(prefix=prefix))


def prefix_of(value: str) -> str | None:
    """The prefix of a well-formed id, None for anything else."""
    prefix, _, suffix = value.rpartition("_")
    return prefix if prefix and _SUFFIX.fullmatch(suffix) else None


def is_id(value: str, prefix: Prefix) -> bool:
    """Whether `value` could be the id of such a thing; what fails this is not worth a look at the database."""
    return prefix_of(value) == prefix
