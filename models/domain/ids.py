"""TypeIDs: typed, sortable ids, kept as text everywhere so that no layer converts them; and bits of other ids.

Source of the format: the TypeID specification 0.3 (prefix, underscore, 26 characters of base32 UUIDv7).
"""

import importlib
import os
import random
import re
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from typeid import TypeID

Prefix = Literal["job", "scene", "take", "webhook", "delivery", "audit", "asset", "upload", "worker", "token"]

# Seeded from the operating system, which is not asked for each id.
_random = random.Random()  # noqa: S311 # no secret
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)
_SUFFIX = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}", re.ASCII)


def new(prefix: Prefix) -> str:
    """Return a new id such as `job_01kav…`; ids sort by their time of creation, to the millisecond."""
    return str(_type()(prefix=prefix))


@cache
def _type() -> "type[TypeID[Prefix]]":
    """Import the library, 1 MB, for the first new id; a server that only reads needs none."""
    return importlib.import_module("typeid").TypeID


def unique_bits(count: int) -> int:
    """Return random bits for an id that is unique, but no secret."""
    return _random.getrandbits(count)


def progress_id(job_id: str) -> str:
    """Return the id of a job's progress: its own prefix, and the suffix of the job's id."""
    return f"progress_{job_id.rpartition('_')[2]}"


def prefix_of(value: str) -> str | None:
    """Return the prefix of a well-formed id, None for any other text."""
    prefix, _, suffix = value.rpartition("_")
    return prefix if prefix and _SUFFIX.fullmatch(suffix) else None


def is_id(value: str, prefix: Prefix) -> bool:
    """Whether `value` is a well-formed id with this prefix; if not, the database need not be queried."""
    return prefix_of(value) == prefix
