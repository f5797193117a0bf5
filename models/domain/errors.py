"""Every refusal the domain can utter. A refusal is an answer, not an accident: it has a code and changes nothing."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from models.domain.lifecycle import SceneStatus
from models.domain.quota import Quota


class ErrorCode(StrEnum):
    """What a client branches on."""

    VALIDATION_FAILED = "VALIDATION_FAILED"
    NOT_FOUND = "NOT_FOUND"
    FORBIDDEN = "FORBIDDEN"
    SCENE_NOT_IN_JOB = "SCENE_NOT_IN_JOB"
    INVALID_TRANSITION = "INVALID_TRANSITION"
    NOT_REGENERABLE = "NOT_REGENERABLE"
    JOB_PROCESSING = "JOB_PROCESSING"
    ALREADY_DELETED = "ALREADY_DELETED"
    NOT_DELETED = "NOT_DELETED"
    RECOVERY_EXPIRED = "RECOVERY_EXPIRED"
    STALE_VERSION = "STALE_VERSION"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    INCOMPLETE_ORDER = "INCOMPLETE_ORDER"
    RATE_LIMITED = "RATE_LIMITED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    BATCH_ABORTED = "BATCH_ABORTED"


class DomainError(Exception):
    """The base of all refusals. `path` names the offending input, outermost first, e.g. ("input", "sceneIds", "2")."""

    def __init__(self, code: ErrorCode, message: str, path: Sequence[str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = list(path) if path is not None else None


class Invalid(DomainError):
    """The input breaks a rule of its field."""

    def __init__(self, message: str, path: Sequence[str], code: ErrorCode = ErrorCode.VALIDATION_FAILED) -> None:
        super().__init__(code, message, path)


class NotFound(DomainError):
    """There is no such thing, or it is not the caller's."""

    def __init__(
        self,
        message: str,
        path: Sequence[str],
        missing_id: str | None,
        code: ErrorCode = ErrorCode.NOT_FOUND,
    ) -> None:
        super().__init__(code, message, path)
        self.missing_id = missing_id


def no_such_job(path: Sequence[str], job_id: str | None) -> NotFound:
    """Return the refusal of a request for a job that does not exist or that the caller may not see."""
    return NotFound("There is no such job.", path, job_id)


class Forbidden(DomainError):
    """The caller may see the thing but not do this to it."""

    def __init__(self, message: str, path: Sequence[str] | None = None) -> None:
        super().__init__(ErrorCode.FORBIDDEN, message, path)


class InvalidState(DomainError):
    """The status of the thing stands in the way. `allowed` is what would be accepted from it."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        path: Sequence[str] | None = None,
        *,
        current: SceneStatus | None = None,
        wanted: SceneStatus | None = None,
        allowed: Sequence[SceneStatus] = (),
    ) -> None:
        super().__init__(code, message, path)
        self.current = current
        self.wanted = wanted
        self.allowed = list(allowed)


class Conflict(DomainError):
    """Somebody else was first."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        path: Sequence[str] | None = None,
        *,
        current_version: int | None = None,
    ) -> None:
        super().__init__(code, message, path)
        self.current_version = current_version


class QuotaExceeded(DomainError):
    """It was done too often; after `retry_after_seconds` it will be accepted again."""

    def __init__(self, message: str, path: Sequence[str] | None, *, retry_after_seconds: float, quota: Quota) -> None:
        super().__init__(ErrorCode.RATE_LIMITED, message, path)
        self.retry_after_seconds = retry_after_seconds
        self.quota = quota


class Unavailable(Exception):
    """The database or the media storage does not answer, or has no room; trying again later may help.

    Not a refusal: nobody did anything wrong, and whether a change was made may be unknown.
    """

    def __init__(self, code: Literal["UNAVAILABLE", "STORAGE"], message: str) -> None:
        super().__init__(message)
        self.code: Literal["UNAVAILABLE", "STORAGE"] = code
        self.message = message


class DomainErrors(Exception):
    """Several refusals of one request: all that is wrong with it, so that a form can show everything at once."""

    def __init__(self, refusals: Sequence[DomainError]) -> None:
        super().__init__("; ".join(refusal.message for refusal in refusals))
        self.refusals = list(refusals)
