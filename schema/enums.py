"""The enums of the contract, told to Strawberry with a description for each value that needs one.

The other modules of this package import them from here, never from where they are defined: an enum that Strawberry
meets before it was told about it becomes a second type of the same name.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import strawberry

from coordinator.commands.inputs import BatchPolicy
from models.domain.errors import ErrorCode
from models.domain.events import DeliveryStatus, EventType
from models.domain.lifecycle import JobStatus, SceneStatus, TakeReason
from models.domain.progress import JobStage
from models.reads.listing import JobOrderField
from schema.strawberry_internals import enum_definition

EnumT = TypeVar("EnumT", bound=type[StrEnum])


class SceneAction(StrEnum):
    """What can be done to a scene."""

    UPDATE = "UPDATE"
    REGENERATE = "REGENERATE"
    CANCEL = "CANCEL"
    DELETE = "DELETE"
    RESTORE = "RESTORE"
    MOVE = "MOVE"
    SELECT_TAKE = "SELECT_TAKE"


class OrderDirection(StrEnum):
    """Which end comes first."""

    ASC = "ASC"
    DESC = "DESC"


class SnapshotReason(StrEnum):
    """Why a stream starts from a state and not from an event."""

    INITIAL = "INITIAL"
    LOG_TRUNCATED = "LOG_TRUNCATED"
    LAGGED = "LAGGED"


def _enum(kind: EnumT, description: str, values: Mapping[str, str] | None = None) -> EnumT:
    strawberry.enum(kind, description=description)
    for value in enum_definition(kind).values:
        value.description = (values or {}).get(value.name)
    return kind


_enum(
    JobStatus,
    "Where a job stands; derived from its scenes, never set.",
    {
        "PENDING": "Created, nothing has started: a storyboard that can still be edited freely.",
        "PROCESSING": "Started, and at least one live scene is pending or processing.",
        "COMPLETED": "At least one live scene, and every live scene is completed.",
        "FAILED": "Nothing is pending or processing and at least one live scene failed.",
        "CANCELED": "Stopped on request; nothing is pending or processing.",
    },
)
_enum(SceneStatus, "Where a scene stands.")
_enum(TakeReason, "Why a take was made.")
_enum(JobStage, "Where the job as a whole stands; computed from its scenes.")
_enum(SceneAction, "What can be done to a scene.")
_enum(
    BatchPolicy,
    "What becomes of the good items of a batch when others are bad.",
    {
        "ALL_OR_NOTHING": "One bad item rejects the whole request; nothing is written.",
        "BEST_EFFORT": "Good items are written; bad items carry their own errors.",
    },
)
_enum(JobOrderField, "What jobs are ordered by.")
_enum(OrderDirection, "Which end comes first.")
_enum(EventType, "What happened.")
_enum(
    DeliveryStatus,
    "Where the telling of an event to a webhook stands.",
    {
        "PENDING": "Not tried yet: due, or waiting for an earlier event of the same job.",
        "SUCCEEDED": "The address answered with 2xx.",
        "FAILED": "Tried without success; it will be tried again.",
        "EXHAUSTED": "Given up, a day after it first failed. redeliverWebhook tries it again.",
    },
)
_enum(ErrorCode, "What a client branches on.")
_enum(
    SnapshotReason,
    "Why a stream starts from a state and not from an event.",
    {
        "INITIAL": "First message of a stream that named no version.",
        "LOG_TRUNCATED": "The version named is older than the retained log.",
        "LAGGED": "This client fell behind; what was buffered for it is replaced by this snapshot.",
    },
)

__all__ = [
    "BatchPolicy",
    "DeliveryStatus",
    "ErrorCode",
    "EventType",
    "JobOrderField",
    "JobStage",
    "JobStatus",
    "OrderDirection",
    "SceneAction",
    "SceneStatus",
    "SnapshotReason",
    "TakeReason",
]
