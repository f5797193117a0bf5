"""The JSON of a failure, as it is stored with scenes, takes and joined videos."""

from datetime import datetime
from typing import TypedDict


class FailureJson(TypedDict):
    """Why a scene, a take or the joining of a video failed; `occurred_at` is in ISO 8601 with an offset."""

    code: str
    message: str
    retryable: bool
    occurred_at: str


def failure_json(code: str, message: str, *, retryable: bool, at: datetime) -> FailureJson:
    """Return the stored form of a failure that occurred at this instant."""
    return {"code": code, "message": message, "retryable": retryable, "occurred_at": at.isoformat()}
