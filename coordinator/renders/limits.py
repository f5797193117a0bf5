"""The time that a render may take, and the pauses before its next attempts."""

from typing import NamedTuple

from providers.port import Failure


class Limits(NamedTuple):
    """The deadline of the provider, and the retries of a scene: the backoff doubles from first to last."""

    deadline_seconds: float = 1800.0
    first_backoff_seconds: float = 2.0
    last_backoff_seconds: float = 60.0

    # The attempts that each regenerate grants.
    max_attempts: int = 3

    def backoff_seconds(self, attempts_left: int) -> float:
        """Return the pause before the next attempt, given the number of attempts left."""
        failed_before = max(0, self.max_attempts - attempts_left - 1)
        return min(self.last_backoff_seconds, self.first_backoff_seconds * 2 ** min(failed_before, 16))


class OutOfTime(Failure):
    """The provider has not finished within the deadline; what it was paid for may still come to a clip."""

    def __init__(self, deadline_seconds: float) -> None:
        message = f"No result within {deadline_seconds:g} seconds."
        super().__init__("TIMEOUT", message, retryable=True, unsettled=True)
