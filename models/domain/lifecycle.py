"""The state machine of scenes and jobs: one table of transitions and its check. Pure.

Source of the rules: the scene lifecycle in docs/architecture.md and the enum descriptions of the schema.
"""

from collections.abc import Mapping
from enum import StrEnum


class SceneStatus(StrEnum):
    """The states of a scene."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class JobStatus(StrEnum):
    """The states of a job; derived from its scenes, never set."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class TakeReason(StrEnum):
    """Why a take was made."""

    INITIAL = "INITIAL"
    REGENERATE = "REGENERATE"
    AUTOMATIC_RETRY = "AUTOMATIC_RETRY"


OPEN = frozenset({SceneStatus.PENDING, SceneStatus.PROCESSING})
SETTLED_SCENE = frozenset({SceneStatus.COMPLETED, SceneStatus.FAILED, SceneStatus.CANCELED})
SETTLED_JOB = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED})

# The statuses that updateScene may set from each status, in the order in which messages list them.
TRANSITIONS: Mapping[SceneStatus, tuple[SceneStatus, ...]] = {
    SceneStatus.PENDING: (
        SceneStatus.PROCESSING,
        SceneStatus.COMPLETED,
        SceneStatus.FAILED,
        SceneStatus.CANCELED,
    ),
    SceneStatus.PROCESSING: (SceneStatus.COMPLETED, SceneStatus.FAILED, SceneStatus.CANCELED),
    SceneStatus.COMPLETED: (),
    SceneStatus.FAILED: (),
    SceneStatus.CANCELED: (),
}


def may_become(current: SceneStatus, target: SceneStatus) -> bool:
    """Whether updateScene accepts `target`; the current status is accepted and changes nothing."""
    return current is target or target in TRANSITIONS[current]


def job_status(*, left_draft: bool, counts: Mapping[SceneStatus, int]) -> JobStatus:
    """Return the status of a job from the counts of its live scenes; it left the draft when started or canceled."""
    if not left_draft:
        return JobStatus.PENDING
    if counts[SceneStatus.PENDING] or counts[SceneStatus.PROCESSING]:
        return JobStatus.PROCESSING
    total = sum(counts.values())
    if total and counts[SceneStatus.COMPLETED] == total:
        return JobStatus.COMPLETED
    return JobStatus.FAILED if counts[SceneStatus.FAILED] else JobStatus.CANCELED
