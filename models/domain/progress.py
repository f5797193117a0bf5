"""How far a job is. Pure.

Each scene remembers the furthest any take since its last regenerate got (its high water, 0..100). A job's percentage
is made from those alone, so a retry, a failure, a cancellation or a crash can never make it fall.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from models.domain.lifecycle import JobStatus

# 100 is said only when every live scene is completed, whatever the renderers claim.
ALMOST = 99.99


class JobStage(StrEnum):
    """Where a job as a whole stands, for people."""

    WAITING = "WAITING"
    QUEUED = "QUEUED"
    GENERATING = "GENERATING"
    RETRYING = "RETRYING"
    ASSEMBLING = "ASSEMBLING"
    DONE = "DONE"
    STOPPED = "STOPPED"


class ProgressSnapshot(NamedTuple):
    """One consistent reading of a job's progress.

    `high_water` is the sum over live scenes that are not completed, `under_way` the sum of the percentages of those
    that are being processed. `awaiting_assembly` says that the clips of a completed job are yet to be joined.
    """

    job_id: str
    owner_id: str
    provider: str
    status: JobStatus
    pending: int
    processing: int
    completed: int
    failed: int
    canceled: int
    retrying: int
    version: int
    updated_at: datetime
    high_water: float
    under_way: float
    awaiting_assembly: bool

    @property
    def total(self) -> int:
        """How many live scenes there are."""
        return self.pending + self.processing + self.completed + self.failed + self.canceled

    @property
    def percentage(self) -> float:
        """0..100, 100 only when completed = total > 0; an empty job is 0."""
        return percentage(total=self.total, completed=self.completed, high_water=self.high_water)

    @property
    def current_stage(self) -> JobStage:
        """Where the job stands as a whole."""
        match self.status:
            case JobStatus.PENDING:
                return JobStage.WAITING
            case JobStatus.COMPLETED:
                return JobStage.ASSEMBLING if self.awaiting_assembly else JobStage.DONE
            case JobStatus.FAILED | JobStatus.CANCELED:
                return JobStage.STOPPED
            case JobStatus.PROCESSING:
                if self.processing:
                    return JobStage.GENERATING
                return JobStage.RETRYING if self.retrying == self.pending else JobStage.QUEUED

    @property
    def stage_label(self) -> str:
        """One phrase for people."""
        match self.current_stage:
            case JobStage.WAITING:
                return "Waiting to be started"
            case JobStage.QUEUED:
                return f"{_scenes(self.pending)} in the queue"
            case JobStage.GENERATING:
                settled = self.completed + self.failed + self.canceled
                return f"Generating scene {settled + 1} of {self.total}"
            case JobStage.RETRYING:
                return f"Waiting to retry {_scenes(self.retrying)}"
            case JobStage.ASSEMBLING:
                return f"{_scenes(self.total)} ready, joining the clips"
            case JobStage.DONE:
                return f"{_scenes(self.total)} ready"
            case JobStage.STOPPED:
                if self.failed:
                    return f"Stopped: {self.failed} of {_scenes(self.total)} failed"
                return f"Canceled with {self.completed} of {_scenes(self.total)} ready"


def percentage(*, total: int, completed: int, high_water: float) -> float:
    """The share of the work done, 0..100. `high_water` is the sum over live scenes that are not completed."""
    if total == 0:
        return 0.0
    if completed == total:
        return 100.0
    return round(min(ALMOST, (100.0 * completed + high_water) / total), 2)


def _scenes(number: int) -> str:
    return "1 scene" if number == 1 else f"{number} scenes"
