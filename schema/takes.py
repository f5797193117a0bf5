"""SceneTake, one attempt at a scene, and SceneFailure. Values are rows of `models.db.rows`."""

from datetime import datetime
from typing import ClassVar

import strawberry

from execution.relations import NEEDS
from execution.versions import VersionedColumns
from models.db.rows import TakeRow
from models.domain.failures import FailureJson
from schema.context import Info
from schema.enums import SceneStatus, TakeReason
from schema.media import Media, media
from schema.nodes import Node
from schema.versions import WITH_JOB, WITH_LINKS


@strawberry.type(description="Why a take, or the assembly of a job's video, failed.")
class SceneFailure:
    """Made by `scene_failure`."""

    versioned_columns: ClassVar = VersionedColumns()

    code: str
    message: str
    retryable: bool
    occurred_at: datetime


def scene_failure(stored: FailureJson | None) -> SceneFailure | None:
    """Convert the JSON of a failure column."""
    if stored is None:
        return None
    return SceneFailure(
        code=stored["code"],
        message=stored["message"],
        retryable=stored["retryable"],
        occurred_at=datetime.fromisoformat(stored["occurred_at"]),
    )


@strawberry.type(
    description=(
        "One attempt to render a scene. It never changes once it is finished: a regenerate makes a new take and keeps "
        "this one."
    )
)
class SceneTake(Node):
    """Read from `TakeRow`."""

    versioned_columns: ClassVar = VersionedColumns()

    number: int
    reason: TakeReason
    prompt: str
    status: SceneStatus
    provider: str
    provider_id: str | None
    is_current: bool = strawberry.field(description="Whether the scene shows this take.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, TakeRow)

    @strawberry.field(description="The clip.", metadata=WITH_LINKS | {NEEDS: ("output",)})
    @staticmethod
    def output(root: strawberry.Parent[TakeRow], info: Info) -> Media | None:
        return media(info.context, root.output)

    @strawberry.field(description="A still image of the clip.", metadata=WITH_LINKS | {NEEDS: ("poster",)})
    @staticmethod
    def poster(root: strawberry.Parent[TakeRow], info: Info) -> Media | None:
        return media(info.context, root.poster)

    @strawberry.field(description="Why the take failed; null unless it did.", metadata=WITH_JOB | {NEEDS: ("failure",)})
    @staticmethod
    def failure(root: strawberry.Parent[TakeRow]) -> SceneFailure | None:
        return scene_failure(root.failure)
