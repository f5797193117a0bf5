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
            "The class of the failure. MODERATED, INVALID_INPUT: the provider rejected the content or the input, and "
            "would reject it again. PROVIDER_UNAVAILABLE, TIMEOUT: the provider failed; the request may be valid. "
            "NOT_SUPPORTED: the model no longer supports the request, or no longer exists; nothing was ordered. "
            "WORKER_LOST: as many leased workers as the scene has attempts were lost while they rendered the take. "
            "Other codes are those of the provider or of an external worker."
        )
    )
    message: str = strawberry.field(
        description="A message for people, with the provider's own message if there is one."
    )
    retryable: bool = strawberry.field(description="Whether another attempt at the same request may succeed.")
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
