"""Refusals as JSON, for answers that are remembered: what is read back is what was refused."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from models.domain.errors import (
    Conflict,
    DomainError,
    ErrorCode,
    Forbidden,
    Invalid,
    InvalidState,
    NotFound,
    QuotaExceeded,
)
from models.domain.lifecycle import SceneStatus
from models.domain.quota import Quota

Json = dict[str, Any]


def dump(refusal: DomainError) -> Json:
    """The refusal as JSON."""
    told: Json = {"kind": "Invalid", "code": refusal.code, "message": refusal.message, "path": refusal.path}
    match refusal:
        case NotFound():
            return told | {"kind": "NotFound", "id": refusal.missing_id}
        case InvalidState():
            state = {"from": refusal.current, "to": refusal.wanted, "allowed": refusal.allowed}
            return told | {"kind": "InvalidState"} | state
        case Conflict():
            return told | {"kind": "Conflict", "version": refusal.current_version}
        case QuotaExceeded():
            limit, remaining, reset_at = refusal.quota
            quota = [limit, remaining, reset_at.isoformat()]
            return told | {"kind": "QuotaExceeded", "seconds": refusal.retry_after_seconds, "quota": quota}
        case Forbidden():
            return told | {"kind": "Forbidden"}
        case _:
            return told


def load(told: Mapping[str, Any]) -> DomainError:
    """The refusal that `dump` was given."""
    return _LOADERS[told["kind"]](told, ErrorCode(told["code"]), told["message"], told["path"])


def _state(told: Mapping[str, Any], code: ErrorCode, message: str, path: list[str] | None) -> DomainError:
    current, wanted = (None if told[end] is None else SceneStatus(told[end]) for end in ("from", "to"))
    allowed = [SceneStatus(status) for status in told["allowed"]]
    return InvalidState(code, message, path, current=current, wanted=wanted, allowed=allowed)


def _rate(told: Mapping[str, Any], _code: ErrorCode, message: str, path: list[str] | None) -> DomainError:
    limit, remaining, reset_at = told["quota"]
    quota = Quota(limit, remaining, datetime.fromisoformat(reset_at))
    return QuotaExceeded(message, path, retry_after_seconds=told["seconds"], quota=quota)


_LOADERS: dict[str, Callable[[Mapping[str, Any], ErrorCode, str, list[str] | None], DomainError]] = {
    "Invalid": lambda _, code, message, path: Invalid(message, path or [], code),
    "NotFound": lambda told, code, message, path: NotFound(message, path or [], told["id"], code),
    "Forbidden": lambda _, __, message, path: Forbidden(message, path),
    "InvalidState": _state,
    "Conflict": lambda told, code, message, path: Conflict(code, message, path, current_version=told["version"]),
    "QuotaExceeded": _rate,
}
