"""One attempt at a scene, and why it failed. Values are the light rows of `models.db.rows`."""

from datetime import datetime

import strawberry

from models.db.rows import TakeRow
from models.domain.failures import FailureJson
from schema.context import Info
from schema.enums import SceneStatus, TakeReason
from schema.media import Media, media
from schema.nodes import Node


@strawberry.type
class SceneFailure:
    """Why a take failed."""

    code: str
    message: str
    retryable: bool
    occurred_at: datetime


def scene_failure(stored: FailureJson | None) -> SceneFailure | None:
    """As it is kept in a column."""
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
        "One attempt at a scene. Never rewritten once finished; a regenerate makes a new one and destroys nothing."
    )
)
class SceneTake(Node):
    """Read from `TakeRow`."""

    number: int
    reason: TakeReason
    prompt: str
    status: SceneStatus
    provider: str
    provider_id: str | None
    is_current: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Rows stand in for the type."""
        return isinstance(value, TakeRow)

    @strawberry.field
    @staticmethod
    def output(root: strawberry.Parent[TakeRow], info: Info) -> Media | None:
        """The clip."""
        return media(info.context, root.output)

    @strawberry.field
    @staticmethod
    def poster(root: strawberry.Parent[TakeRow], info: Info) -> Media | None:
        """A still."""
        return media(info.context, root.poster)

    @strawberry.field
    @staticmethod
    def failure(root: strawberry.Parent[TakeRow]) -> SceneFailure | None:
        """Why it failed."""
        return scene_failure(root.failure)
