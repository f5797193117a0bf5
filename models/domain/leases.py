"""Leased workers: what takes require of one, whether a worker has it, and the state of a worker. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast

import orjson

from models.domain.access import LEASED
from models.domain.instants import SLACK
from models.domain.json_values import same_json
from models.domain.settings import Stored, folded

LABELS_KEY = "worker"
"""The key of a job's or a scene's metadata whose object holds the labels that a worker must have."""

WORKER_LOST = "WORKER_LOST"
"""The code of the failure of a take that has lost too many workers."""

ANY_LINE = "any"
LONGEST_LEASE = timedelta(hours=1)
# A worker that polls is seen at least every 30 s.
GONE_AFTER = timedelta(seconds=90)
KEPT = timedelta(days=30)
"""How long a worker is kept after it was last seen, unless a take of its is."""

_PREFIX = f"{LEASED}/"


class WorkerHealth(StrEnum):
    """The state of a leased worker."""

    IDLE = "IDLE"
    BUSY = "BUSY"
    UNHEALTHY = "UNHEALTHY"
    GONE = "GONE"


class Outcome(StrEnum):
    """How a lease ended. UNRECEIVED: before the worker received the lease."""

    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    RELEASED = "RELEASED"
    LOST = "LOST"
    UNRECEIVED = "UNRECEIVED"


@dataclass(frozen=True, slots=True)
class Demand:
    """What a take requires of a worker: a model, None for any, and labels that are equal to its own."""

    model: str | None
    labels: Mapping[str, Any]

    @property
    def line(self) -> str:
        """The id of the line in which takes with this demand wait."""
        if self.model is None and not self.labels:
            return ANY_LINE
        encoded = orjson.dumps([self.model, self.labels], option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(encoded).hexdigest()

    def has_model(self, models: Sequence[str]) -> bool:
        """Whether one of these models will do."""
        return self.model is None or self.model in models

    def has_labels(self, labels: Mapping[str, Any]) -> bool:
        """Whether a worker with these labels will do."""
        return all(name in labels and same_json(labels[name], value) for name, value in self.labels.items())


def demand(job: tuple[Stored, Mapping[str, Any]], scene: tuple[Stored, Mapping[str, Any]]) -> Demand:
    """Return the demand of a take by the settings and the metadata of its job, and of its scene, which go before."""
    model = folded(scene[0], job[0]).get("model")
    return Demand(None if model is None else model_name(model), _labels(job[1]) | _labels(scene[1]))


def model_name(model: str) -> str:
    """Return the name of a model without that of the provider: workers and settings may give either."""
    return model.removeprefix(_PREFIX)


def _labels(metadata: Mapping[str, Any]) -> dict[str, Any]:
    labels = metadata.get(LABELS_KEY)
    return dict(cast("Mapping[str, Any]", labels)) if isinstance(labels, Mapping) else {}


def is_over(expires_at: datetime | None, now: datetime) -> bool:
    """Whether a lease is over; so is one that ends later than any lease, because the clock has gone back."""
    return expires_at is None or not now < expires_at <= now + LONGEST_LEASE + SLACK


def health(*, last_seen_at: datetime, leases: int, unhealthy_reason: str | None, now: datetime) -> WorkerHealth:
    """Return the state of a worker that holds this number of leases."""
    if leases:
        return WorkerHealth.BUSY if unhealthy_reason is None else WorkerHealth.UNHEALTHY
    if last_seen_at + GONE_AFTER < now:
        return WorkerHealth.GONE
    return WorkerHealth.IDLE if unhealthy_reason is None else WorkerHealth.UNHEALTHY
