"""The errors of the domain. A refusal (DomainError) is a regular answer: it has a code, and nothing was changed."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from models.domain.lifecycle import SceneStatus
from models.domain.quota import Quota


class ErrorCode(StrEnum):
    """The stable codes of refusals, for clients to branch on."""

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
    STALE_TAKE = "STALE_TAKE"
    ASSET_IN_USE = "ASSET_IN_USE"
    UPLOAD_REFUSED = "UPLOAD_REFUSED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    LEASE_LOST = "LEASE_LOST"


class DomainError(Exception):
    """The base of all refusals. `path` names the invalid input, outermost first, e.g. ("input", "sceneIds", "2")."""

    def __init__(self, code: ErrorCode, message: str, path: Sequence[str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = list(path) if path is not None else None


class Invalid(DomainError):
    """An input violates a rule of its field, or a limit."""

    def __init__(self, message: str, path: Sequence[str], code: ErrorCode = ErrorCode.VALIDATION_FAILED) -> None:
        super().__init__(code, message, path)


class NotFound(DomainError):
    """The object does not exist, or the viewer may not see it."""

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
    """Return the refusal of a job id that does not exist or that the viewer may not see."""
    return NotFound("There is no such job.", path, job_id)


class Forbidden(DomainError):
    """The viewer may see the object, but not change it in this way."""

    def __init__(self, message: str, path: Sequence[str] | None = None) -> None:
        super().__init__(ErrorCode.FORBIDDEN, message, path)


class InvalidState(DomainError):
    """The status of the object does not permit the change. `allowed` holds the statuses that it can change to."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        path: Sequence[str] | None = None,
        *,
        current: SceneStatus | None = None,
        requested: SceneStatus | None = None,
        allowed: Sequence[SceneStatus] = (),
    ) -> None:
        super().__init__(code, message, path)
        self.current = current
        self.requested = requested
        self.allowed = list(allowed)


class Conflict(DomainError):
    """Another change was made first, or an idempotency key was used for another request."""

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


class StaleTake(DomainError):
    """A report is about a take that is not the current one, or by a worker that is not the one that renders it."""

    def __init__(self, message: str, path: Sequence[str], *, take_number: int, provider_id: str | None) -> None:
        """Make the refusal with the number of the current take and the provider's id of it."""
        super().__init__(ErrorCode.STALE_TAKE, message, path)
        self.take_number = take_number
        self.provider_id = provider_id


class NotSupported(DomainError):
    """The model cannot do what is asked.

    `model` is its id ("provider/model"), `allowed` is what would be accepted in this place, in words, and
    `alternatives` are the ids of models that could do all that was asked.
    """

    def __init__(
        self,
        message: str,
        path: Sequence[str],
        *,
        model: str,
        allowed: Sequence[str] = (),
        alternatives: Sequence[str] = (),
    ) -> None:
        super().__init__(ErrorCode.NOT_SUPPORTED, message, path)
        self.model = model
        self.allowed = list(allowed)
        self.alternatives = list(alternatives)


class LeaseLost(DomainError):
    """The token is not, or no longer, the right to render a take; nothing was changed."""

    def __init__(self, path: Sequence[str] = ("input", "token")) -> None:
        message = "The lease is over: the take was given to another worker, or is no longer needed."
        super().__init__(ErrorCode.LEASE_LOST, message, path)


class QuotaExceeded(DomainError):
    """The quota is used up; the request will be accepted after `retry_after_seconds`."""

    def __init__(self, message: str, path: Sequence[str] | None, *, retry_after_seconds: float, quota: Quota) -> None:
        super().__init__(ErrorCode.RATE_LIMITED, message, path)
        self.retry_after_seconds = retry_after_seconds
        self.quota = quota


class Unavailable(Exception):
    """The database or the media storage does not respond, or has no space left; a later retry may succeed.

    Not a refusal: the request was valid, and it may be unknown whether the change was committed.
    """

    def __init__(self, code: Literal["UNAVAILABLE", "STORAGE"], message: str) -> None:
        super().__init__(message)
        self.code: Literal["UNAVAILABLE", "STORAGE"] = code
        self.message = message


class DomainErrors(Exception):
    """All refusals of one request together, so that a form can show every problem at once."""

    def __init__(self, refusals: Sequence[DomainError]) -> None:
        super().__init__("; ".join(refusal.message for refusal in refusals))
        self.refusals = list(refusals)
