"""Provider ids of hosted jobs: the id at the service, and a digest of what was asked.

The services do not report the request of a job. A later take uses the clip of an earlier job only if the digest shows
that both asked for the same.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

_SEPARATOR = "~"
_DIGITS = 12


class JobId(NamedTuple):
    """The parts of a provider id."""

    job: str
    print: str

    def __str__(self) -> str:
        return f"{self.job}{_SEPARATOR}{self.print}"


def parsed(provider_id: str) -> JobId:
    """Return the parts of a provider id."""
    job, _, found = provider_id.rpartition(_SEPARATOR)
    return JobId(job, found) if job else JobId(provider_id, "")


def print_of(asked: Mapping[str, object]) -> str:
    """Return a digest of what was asked."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
