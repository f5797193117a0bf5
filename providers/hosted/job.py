"""What was bought at a hosted service for an order: its state, and the result by its final state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from providers.hosted.outputs import Candidate
from providers.port import Cost, Failure
from providers.refusals import failure_for, reason_of


class State(Enum):
    """The state of a job."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the service describes it. `files` are where its clip may be, most likely first."""

    state: State
    files: Sequence[Candidate] = ()
    error: str = ""
    logs: str = ""
    seed: int | None = None
    cost: Cost | None = None
    metrics: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def finished(self) -> bool:
        """Whether the state is final."""
        return self.state is not State.RUNNING

    @property
    def is_or_gets_a_clip(self) -> bool:
        """Whether it has come to a clip, or still may."""
        return self.state is State.RUNNING or (self.state is State.SUCCEEDED and bool(self.files))

    def clips(self) -> Sequence[Candidate]:
        """Return where the clip of a finished job may be. Raises Failure when there is none.

        The failure of a job that succeeded is not retryable: a retry would pay for another one.
        """
        match self.state:
            case State.SUCCEEDED if self.files:
                return self.files
            case State.SUCCEEDED:
                raise Failure("NO_OUTPUT", "The job succeeded without a file.", retryable=False)
            case State.CANCELED:
                raise Failure("CANCELED", "The job was canceled.", retryable=False)
            case State.EXPIRED:
                raise Failure("PREDICTION_TIMEOUT", "The job reached the deadline of its service.", retryable=True)
            case _:
                error = self.error or "It gave no reason."
                raise failure_for(reason_of(error), error, unknown="PREDICTION_FAILED")
