"""Refusals as data: the concrete error types of the contract."""

from collections.abc import Sequence

import strawberry

from models.domain import errors
from models.domain.errors import DomainError
from schema.enums import ErrorCode, SceneStatus
from schema.quota import Quota, as_shown


@strawberry.interface(description="A refusal that the caller can act on: data, not a GraphQL error.")
class UserError:
    """What every refusal has."""

    code: ErrorCode = strawberry.field(description="Branch on this, never on the message.")
    message: str = strawberry.field(description="One sentence that can be shown to a person.")
    path: list[str] | None = strawberry.field(description='The offending input, e.g. ["input", "sceneIds", "2"].')


@strawberry.type(description="An input breaks a rule of its field.")
class ValidationError(UserError):
    """VALIDATION_FAILED, LIMIT_EXCEEDED, INCOMPLETE_ORDER and BATCH_ABORTED."""


@strawberry.type(description="There is no such thing, or it is not yours.")
class NotFoundError(UserError):
    """NOT_FOUND and SCENE_NOT_IN_JOB."""

    id: strawberry.ID | None


@strawberry.type(description="You may see it, but not do this to it.")
class ForbiddenError(UserError):
    """FORBIDDEN."""


@strawberry.type(
    description="INVALID_TRANSITION, NOT_REGENERABLE, JOB_PROCESSING, ALREADY_DELETED, NOT_DELETED, RECOVERY_EXPIRED."
)
class StateError(UserError):
    """The status stands in the way."""

    from_: SceneStatus | None = strawberry.field(
        name="from", description="The status that stands in the way, and what would be accepted from it."
    )
    to: SceneStatus | None
    allowed: list[SceneStatus]


@strawberry.type(description="STALE_VERSION and IDEMPOTENCY_CONFLICT: somebody else was first.")
class ConflictError(UserError):
    """Read it again and decide anew."""

    current_version: int | None


@strawberry.type(description="It was done too often; it costs nothing to be refused.")
class RateLimitedError(UserError):
    """RATE_LIMITED."""

    retry_after_seconds: float = strawberry.field(description="It will be accepted again after this.")
    quota: Quota


def user_errors(refusals: Sequence[DomainError]) -> list[UserError]:
    """The refusals of one request, each as its type."""
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
                to=refusal.wanted,
                allowed=refusal.allowed,
            )
        case errors.Conflict():
            return ConflictError(code=code, message=message, path=path, current_version=refusal.current_version)
        case errors.QuotaExceeded():
            quota, seconds = as_shown(refusal.quota), refusal.retry_after_seconds
            return RateLimitedError(code=code, message=message, path=path, retry_after_seconds=seconds, quota=quota)
        case errors.Forbidden():
            return ForbiddenError(code=code, message=message, path=path)
        case _:
            return ValidationError(code=code, message=message, path=path)


ERROR_TYPES = [ValidationError, NotFoundError, ForbiddenError, StateError, ConflictError, RateLimitedError]
