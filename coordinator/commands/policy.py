"""The operator's settings that commands depend on."""

from dataclasses import dataclass
from datetime import timedelta

from coordinator.commands.adoption import ON_REQUEST, AdoptionPolicy
from models.domain.quota import Rate


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """`max_attempts` counts a take and its retries; `recovery_window` is how long deleted objects can be restored."""

    max_attempts: int
    recovery_window: timedelta
    regenerate: Rate
    adoption: AdoptionPolicy = ON_REQUEST
