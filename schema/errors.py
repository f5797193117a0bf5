"""The error types of the schema: domain errors, returned as data in payloads."""

from collections.abc import Sequence

import strawberry

from models.domain import errors
from models.domain.errors import DomainError
from schema.catalogue import Model, models_by_id
from schema.context import Info
from schema.enums import ErrorCode, SceneStatus
from schema.quota import Quota, as_shown


@strawberry.interface(
    description="An error that the caller can handle; it is part of the payload, not a GraphQL error."
)
class UserError:
    """The fields of every error."""

    code: ErrorCode = strawberry.field(description="The cause; branch on this, never on the message.")
    message: str = strawberry.field(description="One sentence for end users.")
    path: list[str] | None = strawberry.field(description='The rejected input, such as ["input", "sceneIds", "2"].')


@strawberry.type(
    description="The input is invalid. VALIDATION_FAILED, LIMIT_EXCEEDED, INCOMPLETE_ORDER or BATCH_ABORTED."
)
class ValidationError(UserError):
    """From `errors.Invalid`."""


@strawberry.type(
    description="The object does not exist or is not visible to the caller. NOT_FOUND or SCENE_NOT_IN_JOB."
)
class NotFoundError(UserError):
    """From `errors.NotFound`."""

    id: strawberry.ID | None


@strawberry.type(description="The caller may read the object but not perform the operation. FORBIDDEN.")
class ForbiddenError(UserError):
    """From `errors.Forbidden`."""


@strawberry.type(
    description=(
        "The state of the object does not allow the operation. INVALID_TRANSITION, NOT_REGENERABLE, JOB_PROCESSING, "
        "ALREADY_DELETED, NOT_DELETED or RECOVERY_EXPIRED."
    )
)
class StateError(UserError):
    """From `errors.InvalidState`."""

    from_: SceneStatus | None = strawberry.field(name="from", description="The current status.")
    to: SceneStatus | None = strawberry.field(description="The requested status.")
    allowed: list[SceneStatus] = strawberry.field(description="The statuses that would be accepted.")


@strawberry.type(
    description=(
        "A concurrent change came first: read the object again and retry (STALE_VERSION, IDEMPOTENCY_CONFLICT), or "
        "stop rendering the take (LEASE_LOST)."
    )
)
class ConflictError(UserError):
    """From `errors.Conflict`."""

    current_version: int | None


@strawberry.type(description="The report is about a take that is not the current one. STALE_TAKE.")
class StaleTakeError(UserError):
    """From `errors.StaleTake`."""

    current_take_number: int
    current_provider_id: str | None = strawberry.field(description="The provider's id of the current take.")


@strawberry.type(description="The model does not support the request; nothing was ordered. NOT_SUPPORTED.")
class NotSupportedError(UserError):
    """From `errors.NotSupported`."""

    model: str = strawberry.field(description="The id of the requested model.")
    allowed: list[str] = strawberry.field(
        description=(
            "The values that would be accepted in this place, as text to show to users; empty when there are none."
        )
    )
    alternative_ids: strawberry.Private[list[str]]

    @strawberry.field(description="Available models that support the whole request.")
    def alternatives(self, info: Info) -> list[Model]:
        return models_by_id(info.context.coordinator.catalogue.latest, self.alternative_ids)


@strawberry.type(description="The quota is used up; a rejected operation does not count. RATE_LIMITED.")
class RateLimitedError(UserError):
    """From `errors.QuotaExceeded`."""

    retry_after_seconds: float = strawberry.field(description="Seconds until the operation is accepted again.")
    quota: Quota


def user_errors(refusals: Sequence[DomainError]) -> list[UserError]:
    """Return the domain errors of a request as the error types of the schema."""
    return [_user_error(refusal) for refusal in refusals]


def _user_error(refusal: DomainError) -> UserError:
    code, message, path = refusal.code, refusal.message, refusal.path
    match refusal:
        case errors.NotFound():
            missing = None if refusal.missing_id is None else strawberry.ID(refusal.missing_id)
            return NotFoundError(code=code, message=message, path=path, id=missing)
        case errors.InvalidState():
            return StateError(
                code=code,
                message=message,
                path=path,
                from_=refusal.current,
                to=refusal.requested,
                allowed=refusal.allowed,
            )
        case errors.Conflict():
            return ConflictError(code=code, message=message, path=path, current_version=refusal.current_version)
        case errors.StaleTake(take_number=number, provider_id=current):
            return StaleTakeError(
                code=code, message=message, path=path, current_take_number=number, current_provider_id=current
            )
        case errors.NotSupported(model=model, allowed=allowed, alternatives=ids):
            return NotSupportedError(
                code=code, message=message, path=path, model=model, allowed=allowed, alternative_ids=ids
            )
        case errors.QuotaExceeded():
            quota, seconds = as_shown(refusal.quota), refusal.retry_after_seconds
            return RateLimitedError(code=code, message=message, path=path, retry_after_seconds=seconds, quota=quota)
        case errors.LeaseLost():
            return ConflictError(code=code, message=message, path=path, current_version=None)
        case errors.Forbidden():
            return ForbiddenError(code=code, message=message, path=path)
        case _:
            return ValidationError(code=code, message=message, path=path)


ERROR_TYPES = [
    ValidationError,
    NotFoundError,
    ForbiddenError,
    StateError,
    ConflictError,
    RateLimitedError,
    StaleTakeError,
    NotSupportedError,
]
