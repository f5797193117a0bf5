"""The enums of the schema, with a description for each value that needs one.

Other modules of this package import the enums from here, never from the domain: an enum that Strawberry meets before it
is registered becomes a second type of the same name.
"""

from collections.abc import Mapping
from enum import StrEnum

import strawberry

from coordinator.commands.inputs import BatchPolicy
from models.domain.access import Grant
from models.domain.assets import AssetKind, AssetStatus
from models.domain.errors import ErrorCode
from models.domain.events import DeliveryStatus, EventType
from models.domain.leases import WorkerHealth
from models.domain.lifecycle import JobStatus, SceneStatus, TakeReason
from models.domain.progress import JobStage
from models.reads.listing import JobOrderField
from providers.catalogue import AudioSupport, InputRole, Resolution
from schema.strawberry_internals import enum_definition


class SceneAction(StrEnum):
    """An operation on a scene."""

    UPDATE = "UPDATE"
    REGENERATE = "REGENERATE"
    CANCEL = "CANCEL"
    DELETE = "DELETE"
    RESTORE = "RESTORE"
    MOVE = "MOVE"
    SELECT_TAKE = "SELECT_TAKE"


class OrderDirection(StrEnum):
    """Ascending or descending."""

    ASC = "ASC"
    DESC = "DESC"


class SnapshotReason(StrEnum):
    """Why a stream sends a snapshot instead of events."""

    INITIAL = "INITIAL"
    LOG_TRUNCATED = "LOG_TRUNCATED"
    LAGGED = "LAGGED"


def _enum(kind: type[StrEnum], description: str, values: Mapping[str, str] | None = None) -> None:
    strawberry.enum(kind, description=description)
    for value in enum_definition(kind).values:
        value.description = (values or {}).get(value.name)


_enum(
    JobStatus,
    "The status of a job; derived from its scenes, never set directly.",
    {
        "PENDING": "Created and not started: a storyboard that can be edited freely.",
        "PROCESSING": "Started, and at least one live scene is pending or processing.",
        "COMPLETED": "The job has live scenes, and all of them are completed.",
        "FAILED": "No live scene is pending or processing, and at least one failed.",
        "CANCELED": "Canceled on request; no live scene is pending or processing.",
    },
)
_enum(
    SceneStatus,
    "The status of a scene.",
    {
        "PENDING": "Not rendering yet: a storyboard, queued, or waiting for an automatic retry.",
        "PROCESSING": "The current take is being rendered.",
        "COMPLETED": "The current take has a clip.",
        "FAILED": "The current take failed and is not retried automatically.",
        "CANCELED": "Canceled on request.",
    },
)
_enum(
    TakeReason,
    "Why a take was made.",
    {
        "INITIAL": "The first take of the scene.",
        "REGENERATE": "A regenerate was requested.",
        "AUTOMATIC_RETRY": "The previous take failed with a retryable failure.",
    },
)
_enum(
    JobStage,
    "The stage of a job as a whole; computed from its scenes.",
    {
        "WAITING": "Not started.",
        "QUEUED": "Scenes are queued; none is rendering.",
        "GENERATING": "At least one scene is rendering.",
        "RETRYING": "Every pending scene waits for an automatic retry; none is rendering.",
        "ASSEMBLING": "All scenes are completed; their clips are being joined to the job's output.",
        "DONE": "All scenes are completed and no assembly is pending; see Job.output and Job.outputFailure.",
        "STOPPED": "Failed or canceled.",
    },
)
_enum(SceneAction, "An operation on a scene, named after its mutation.")
_enum(
    BatchPolicy,
    "What happens to valid items of a batch when other items fail.",
    {
        "ALL_OR_NOTHING": "One failed item aborts the whole batch; nothing is written.",
        "BEST_EFFORT": "Valid items are written; failed items carry their own errors.",
    },
)
_enum(JobOrderField, "The field by which jobs are ordered.")
_enum(OrderDirection, "Ascending or descending.")
_enum(
    EventType,
    "The type of an event in a job's log.",
    {
        "JOB_UPDATED": "title, metadata, output or outputFailure of the job changed.",
        "JOB_SETTLED": "The job became COMPLETED, FAILED or CANCELED.",
        "SCENE_UPDATED": (
            "Fields of the scene changed. Its status did not, except when a leased take returned to the queue because "
            "its worker released it or was lost."
        ),
        "SCENE_RETRYING": "A take failed, and an automatic retry is scheduled.",
        "SCENE_REGENERATED": "A new take was requested; the scene is PENDING again.",
        "SCENE_TAKE_SELECTED": "The scene shows another take.",
        "SCENES_REORDERED": "The play order changed.",
    },
)
_enum(
    DeliveryStatus,
    "The status of a webhook delivery.",
    {
        "PENDING": "Not attempted yet: due now, or waiting for an earlier event of the same job.",
        "SUCCEEDED": "The endpoint answered with 2xx.",
        "FAILED": "The last attempt failed; another one is scheduled.",
        "EXHAUSTED": "No attempt succeeded within a day of the first failure. redeliverWebhook starts again.",
    },
)
_enum(
    ErrorCode,
    "The cause of an error, for clients to branch on.",
    {
        "VALIDATION_FAILED": "An input breaks a rule of its field.",
        "NOT_FOUND": "The object does not exist or is not visible to the caller.",
        "FORBIDDEN": "The caller may read the object but not perform the operation.",
        "SCENE_NOT_IN_JOB": "The scene belongs to another job than the given one.",
        "INVALID_TRANSITION": "The current status does not allow the operation.",
        "NOT_REGENERABLE": "A pending or processing scene cannot be regenerated.",
        "JOB_PROCESSING": "A job that is processing, and its scenes, cannot be deleted.",
        "ALREADY_DELETED": "The object is deleted and accepts only a restore.",
        "NOT_DELETED": "The object is not deleted and cannot be restored.",
        "RECOVERY_EXPIRED": "The recovery window of the deleted object is over.",
        "STALE_TAKE": "The report is about a take that is not the current one, or that another worker is rendering.",
        "LEASE_LOST": "The lease has expired, or its take was canceled, regenerated, deleted or taken over.",
        "NOT_SUPPORTED": "The model does not support the request; see allowed and alternatives.",
        "STALE_VERSION": "The object is at another version than expectedVersion.",
        "IDEMPOTENCY_CONFLICT": "The idempotency key was used with another input.",
        "INCOMPLETE_ORDER": "The new order does not name every live scene exactly once.",
        "RATE_LIMITED": "The quota of the operation is used up; see retryAfterSeconds.",
        "LIMIT_EXCEEDED": "More items than allowed, such as more than 200 scenes in a job.",
        "ASSET_IN_USE": "The inputs of a live scene refer to the asset.",
        "UPLOAD_REFUSED": "The upload is not complete, or its bytes do not match what was announced.",
        "BATCH_ABORTED": "The item is valid, but another one aborted an ALL_OR_NOTHING batch.",
    },
)
_enum(AssetKind, "The kind of media in an asset.")
_enum(
    AssetStatus,
    "The status of an asset.",
    {
        "WAITING": "The upload is not complete, or completeAsset was not called yet.",
        "READY": "The bytes match what was announced; takes can use the asset.",
        "REJECTED": "The bytes do not match what was announced, or cannot be used; see failure.",
    },
)
_enum(
    WorkerHealth,
    "The state of a leased worker.",
    {
        "IDLE": "The worker holds no lease.",
        "BUSY": "The worker holds a lease.",
        "UNHEALTHY": "The worker reports that it cannot render; it gets no takes.",
        "GONE": "The worker has not called for 90 seconds, and holds no lease.",
    },
)
_enum(
    Grant,
    "What an access token permits.",
    {
        "READ": "Read the jobs that it names, and follow them live.",
        "EDIT": "Change them, too.",
        "WORK": "Lease takes as a worker: those of its maker's jobs, or of all jobs if its maker may.",
    },
)
_enum(
    InputRole,
    "How a clip uses an input file.",
    {
        "FIRST_FRAME": "The first frame of the clip.",
        "LAST_FRAME": "The last frame of the clip.",
        "REFERENCE": "An image of a subject or style for the clip, such as a person; there may be several.",
        "SOURCE_VIDEO": "The video that the clip edits or continues.",
        "REFERENCE_AUDIO": "Audio that the clip follows, such as speech.",
    },
)
_enum(Resolution, "The length of the shorter side in pixels.")
_enum(
    AudioSupport,
    "Whether clips of a model have sound.",
    {"OPTIONAL": "Only when RenderSettings.audio is true."},
)
_enum(
    SnapshotReason,
    "Why a stream sends a snapshot instead of events.",
    {
        "INITIAL": "First message of a stream that named no version.",
        "LOG_TRUNCATED": "The named version is older than the retained log.",
        "LAGGED": (
            "The client was too slow, or the server was late and the log had been pruned; "
            "this snapshot replaces the events that were not sent."
        ),
    },
)

__all__ = [
    "AssetKind",
    "AssetStatus",
    "AudioSupport",
    "BatchPolicy",
    "DeliveryStatus",
    "ErrorCode",
    "EventType",
    "Grant",
    "InputRole",
    "JobOrderField",
    "JobStage",
    "JobStatus",
    "OrderDirection",
    "Resolution",
    "SceneAction",
    "SceneStatus",
    "SnapshotReason",
    "TakeReason",
    "WorkerHealth",
]
