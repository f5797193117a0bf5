"""What an operator has set that the verbs go by."""

from dataclasses import dataclass
from datetime import timedelta

from models.domain.quota import Rate


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """`max_attempts` of a take and its retries, how long deleted things can be restored, how often to regenerate."""

    max_attempts: int
    recovery_window: timedelta
    regenerate: Rate
