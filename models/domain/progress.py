"""The progress of a job. Pure.

Each scene stores the highest percentage of its takes since its last regenerate (its high-water mark, 0..100). The
percentage of a job is computed from those alone, so a retry, a failure, a cancellation or a crash can never lower it.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from models.domain.lifecycle import JobStatus

# The upper bound until every live scene is completed: renderers may report 100 earlier.
ALMOST = 99.99


class JobStage(StrEnum):
    """The stages of a job, as shown to users."""

    WAITING = "WAITING"
    QUEUED = "QUEUED"
    GENERATING = "GENERATING"
    RETRYING = "RETRYING"
    ASSEMBLING = "ASSEMBLING"
    DONE = "DONE"
    STOPPED = "STOPPED"


class ProgressSnapshot(NamedTuple):
    """The progress of a job at one version.

    `high_water` is the sum over live scenes that are not completed. `under_way` is the sum of the percentages of scenes
    that are being rendered: by it a snapshot differs from an earlier one when a take advances below its high-water
    mark, which changes only the ETA. `awaiting_assembly` means that the clips of a completed job are not joined yet.
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
        """The number of live scenes."""
        return self.pending + self.processing + self.completed + self.failed + self.canceled

    @property
    def percentage(self) -> float:
        """0..100; 100 only when completed = total > 0, and 0 for a job without scenes."""
        return percentage(total=self.total, completed=self.completed, high_water=self.high_water)

    @property
    def current_stage(self) -> JobStage:
        """The stage of the job."""
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
        """A short text for users."""
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
    """Return the share of the work done, 0..100. `high_water` is the sum over live scenes that are not completed."""
    if total == 0:
        return 0.0
    if completed == total:
        return 100.0
    return round(min(ALMOST, (100.0 * completed + high_water) / total), 2)


def _scenes(number: int) -> str:
    return "1 scene" if number == 1 else f"{number} scenes"
