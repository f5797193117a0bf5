"""Refusals as JSON, for stored answers: `load` returns an equal refusal to the one given to `dump`."""

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
    NotSupported,
    QuotaExceeded,
)
from models.domain.lifecycle import SceneStatus
from models.domain.quota import Quota

Json = dict[str, Any]


def dump(refusal: DomainError) -> Json:
    """Return the refusal as JSON."""
    stored: Json = {"kind": "Invalid", "code": refusal.code, "message": refusal.message, "path": refusal.path}
    match refusal:
        case NotFound():
            return stored | {"kind": "NotFound", "id": refusal.missing_id}
        case InvalidState():
            state = {"from": refusal.current, "to": refusal.requested, "allowed": refusal.allowed}
            return stored | {"kind": "InvalidState"} | state
        case Conflict():
            return stored | {"kind": "Conflict", "version": refusal.current_version}
        case QuotaExceeded():
            limit, remaining, reset_at = refusal.quota
            quota = [limit, remaining, reset_at.isoformat()]
            return stored | {"kind": "QuotaExceeded", "seconds": refusal.retry_after_seconds, "quota": quota}
        case NotSupported():
            accepted = {"allowed": refusal.allowed, "alternatives": refusal.alternatives}
            return stored | {"kind": "NotSupported", "model": refusal.model} | accepted
        case Forbidden():
            return stored | {"kind": "Forbidden"}
        case _:
            return stored


def load(stored: Mapping[str, Any]) -> DomainError:
    """Return the refusal that was given to `dump`."""
    return _LOADERS[stored["kind"]](stored, ErrorCode(stored["code"]), stored["message"], stored["path"])


def _invalid_state(stored: Mapping[str, Any], code: ErrorCode, message: str, path: list[str] | None) -> DomainError:
    current, requested = (None if stored[end] is None else SceneStatus(stored[end]) for end in ("from", "to"))
    allowed = [SceneStatus(status) for status in stored["allowed"]]
    return InvalidState(code, message, path, current=current, requested=requested, allowed=allowed)


def _not_supported(stored: Mapping[str, Any], _code: ErrorCode, message: str, path: list[str] | None) -> DomainError:
    allowed, alternatives = stored["allowed"], stored["alternatives"]
    return NotSupported(message, path or [], model=stored["model"], allowed=allowed, alternatives=alternatives)


def _quota_exceeded(stored: Mapping[str, Any], _code: ErrorCode, message: str, path: list[str] | None) -> DomainError:
    limit, remaining, reset_at = stored["quota"]
    quota = Quota(limit, remaining, datetime.fromisoformat(reset_at))
    return QuotaExceeded(message, path, retry_after_seconds=stored["seconds"], quota=quota)


_LOADERS: dict[str, Callable[[Mapping[str, Any], ErrorCode, str, list[str] | None], DomainError]] = {
    "Invalid": lambda _, code, message, path: Invalid(message, path or [], code),
    "NotFound": lambda stored, code, message, path: NotFound(message, path or [], stored["id"], code),
    "Forbidden": lambda _, __, message, path: Forbidden(message, path),
    "InvalidState": _invalid_state,
    "Conflict": lambda stored, code, message, path: Conflict(code, message, path, current_version=stored["version"]),
    "NotSupported": _not_supported,
    "QuotaExceeded": _quota_exceeded,
}
