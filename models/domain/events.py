"""The types of events in a job's log, one event per change and version, and the states of their webhook deliveries."""

from enum import StrEnum


class EventType(StrEnum):
    """The kinds of changes."""

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


class DeliveryStatus(StrEnum):
    """The states of a webhook delivery."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    EXHAUSTED = "EXHAUSTED"
