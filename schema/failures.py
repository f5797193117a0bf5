"""SceneFailure: why something failed."""

from datetime import datetime
from typing import ClassVar

import strawberry

from execution.versions import VersionedColumns
from models.domain.failures import FailureJson


@strawberry.type(description="Why a take, or the assembly of a job's video, failed.")
class SceneFailure:
    """Made by `scene_failure`."""

    versioned_columns: ClassVar = VersionedColumns()

    code: str = strawberry.field(
        description=(
            "The class of the reason. MODERATED, INVALID_INPUT: the maker refuses the content or the input, and would "
            "again. PROVIDER_UNAVAILABLE, TIMEOUT: nothing is known against the order. NOT_SUPPORTED: the model cannot "
            "do what was asked any more, or is gone; nothing was ordered. WORKER_LOST: as many leased workers as "
            "there are attempts stopped while they rendered the take. Others are those of the provider or of an "
            "external worker."
        )
    )
    message: str = strawberry.field(description="For people; with the words of the maker if there are any.")
    retryable: bool = strawberry.field(description="Whether the same order may succeed at another attempt.")
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
