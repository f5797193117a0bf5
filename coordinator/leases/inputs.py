"""Input of leased workers, the same for GraphQL and REST."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.domain.leases import model_name
from models.domain.rules import MESSAGE_CHARACTERS, TITLE_CHARACTERS, Problems

MOST_TAKES = 16
LEASE_SECONDS = (10, 3600)
LONGEST_WAIT_SECONDS = 30
MOST_MODELS = 100


@dataclass(frozen=True, slots=True)
class Declared:
    """A worker's description of itself; names are unique per principal. Models are named without the provider."""

    name: str
    models: tuple[str, ...]
    labels: Mapping[str, Any] = field(default_factory=dict[str, Any])
    unhealthy_reason: str | None = None

    def check(self, problems: Problems, path: Sequence[str]) -> None:
        """Add the problems of this description."""
        problems.text(self.name, [*path, "name"], max_characters=TITLE_CHARACTERS)
        if not 1 <= len(self.models) <= MOST_MODELS:
            problems.add(f"A worker has from 1 to {MOST_MODELS} models.", [*path, "models"])
        else:
            for index, model in enumerate(self.models):
                problems.text(model, [*path, "models", str(index)], max_characters=TITLE_CHARACTERS)
        problems.metadata(self.labels, [*path, "labels"])
        if self.unhealthy_reason is not None:
            problems.text(
                self.unhealthy_reason,
                [*path, "unhealthyReason"],
                max_characters=MESSAGE_CHARACTERS,
                multiline=True,
            )


def declared(
    name: str, models: Sequence[str], labels: Mapping[str, Any] | None, unhealthy_reason: str | None
) -> Declared:
    """Return the description of a worker. Models may be given by their id or by their name."""
    names = tuple(dict.fromkeys(model_name(model) for model in models))
    return Declared(name, names, dict(labels or {}), unhealthy_reason)


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """A request for up to `most` takes, each for `lease_seconds`; it waits up to `wait_seconds` for the first."""

    worker: Declared
    most: int = 1
    lease_seconds: int = 60
    wait_seconds: int = 20

    def check(self) -> None:
        """Raise DomainErrors if a field is invalid."""
        problems = Problems()
        self.worker.check(problems, ["input", "worker"])
        if not 1 <= self.most <= MOST_TAKES:
            problems.add(f"most must be from 1 to {MOST_TAKES}.", ["input", "most"])
        check_lease_seconds(problems, self.lease_seconds, ["input", "leaseSeconds"])
        if not 0 <= self.wait_seconds <= LONGEST_WAIT_SECONDS:
            problems.add(f"waitSeconds must be from 0 to {LONGEST_WAIT_SECONDS}.", ["input", "waitSeconds"])
        problems.check()


def check_lease_seconds(problems: Problems, seconds: int, path: Sequence[str]) -> None:
    """Add a problem if the length of a lease is out of bounds."""
    least, most = LEASE_SECONDS
    if not least <= seconds <= most:
        problems.add(f"leaseSeconds must be from {least} to {most}.", path)


@dataclass(frozen=True, slots=True)
class Renewal:
    """A renewal of a lease: progress, the worker's own id of the take, a frame (WebP), and a length in seconds."""

    token: str
    provider_id: str | None = None
    percentage: float | None = None
    lease_seconds: int | None = None
    frame: bytes | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """The completion of a take whose clip is uploaded, with the settings that differ from the requested ones."""

    token: str
    seed: int | None = None
    settings: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] | None = None
