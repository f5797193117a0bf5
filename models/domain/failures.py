"""The JSON of a failure, as it is stored with scenes, takes and joined videos."""

from datetime import datetime
from typing import NotRequired, TypedDict


class FailureJson(TypedDict):
    """Why a scene, a take or the joining of a video failed; `occurred_at` is in ISO 8601 with an offset.

    `unsettled`: the provider may have made the clip nevertheless. The next take looks for it before it orders another.
    """

    code: str
    message: str
    retryable: bool
    occurred_at: str
    unsettled: NotRequired[bool]


def failure_json(code: str, message: str, *, retryable: bool, at: datetime, unsettled: bool = False) -> FailureJson:
    """Return the stored form of a failure that occurred at this instant.

    The message may be what a model returned: characters that could not be stored or sent in an answer are replaced.
    """
    text = message.encode(errors="replace").decode().replace("\0", "?")
    failure: FailureJson = {"code": code, "message": text, "retryable": retryable, "occurred_at": at.isoformat()}
    if unsettled:
        failure["unsettled"] = True
    return failure
