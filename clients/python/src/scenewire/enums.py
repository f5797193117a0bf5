"""The enums of the schema that the client reads. A value of a newer server is kept: a member of its own text."""

from enum import StrEnum
from typing import Self


class OpenEnum(StrEnum):
    """An enum that accepts values which this version does not name; compare them as text."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member


class JobStatus(OpenEnum):
    """The status of a job, derived from its scenes."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @property
    def is_settled(self) -> bool:
        """Whether nothing is pending or processing any more."""
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED)


class SceneStatus(OpenEnum):
    """The status of a scene."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class JobStage(OpenEnum):
    """The stage of a job as a whole."""

    WAITING = "WAITING"
    QUEUED = "QUEUED"
    GENERATING = "GENERATING"
    RETRYING = "RETRYING"
    ASSEMBLING = "ASSEMBLING"
    DONE = "DONE"
    STOPPED = "STOPPED"


class SceneAction(OpenEnum):
    """What the caller may do to a scene."""

    UPDATE = "UPDATE"
    REGENERATE = "REGENERATE"
    CANCEL = "CANCEL"
    DELETE = "DELETE"
    RESTORE = "RESTORE"
    MOVE = "MOVE"
    SELECT_TAKE = "SELECT_TAKE"


class TakeReason(OpenEnum):
    """Why a take was made."""

    INITIAL = "INITIAL"
    REGENERATE = "REGENERATE"
    AUTOMATIC_RETRY = "AUTOMATIC_RETRY"


class Grant(OpenEnum):
    """What an access token may do."""

    READ = "READ"
    EDIT = "EDIT"
    WORK = "WORK"


class Resolution(OpenEnum):
    """The length of the shorter side in pixels."""

    P360 = "P360"
    P480 = "P480"
    P720 = "P720"
    P1080 = "P1080"
    P1440 = "P1440"
    P2160 = "P2160"


class SnapshotReason(OpenEnum):
    """Why a stream sent a snapshot instead of events."""

    INITIAL = "INITIAL"
    LOG_TRUNCATED = "LOG_TRUNCATED"
    LAGGED = "LAGGED"


class EventType(OpenEnum):
    """The type of an event in the log of a job."""

    JOB_CREATED = "JOB_CREATED"
    JOB_UPDATED = "JOB_UPDATED"
    JOB_STARTED = "JOB_STARTED"
    JOB_CANCELED = "JOB_CANCELED"
    JOB_SETTLED = "JOB_SETTLED"
    JOB_DELETED = "JOB_DELETED"
    JOB_RESTORED = "JOB_RESTORED"
    SCENE_ADDED = "SCENE_ADDED"
    SCENE_UPDATED = "SCENE_UPDATED"
    SCENE_STARTED = "SCENE_STARTED"
    SCENE_COMPLETED = "SCENE_COMPLETED"
    SCENE_FAILED = "SCENE_FAILED"
    SCENE_RETRYING = "SCENE_RETRYING"
    SCENE_CANCELED = "SCENE_CANCELED"
    SCENE_REGENERATED = "SCENE_REGENERATED"
    SCENE_TAKE_SELECTED = "SCENE_TAKE_SELECTED"
    SCENE_DELETED = "SCENE_DELETED"
    SCENE_RESTORED = "SCENE_RESTORED"
    SCENES_REORDERED = "SCENES_REORDERED"
