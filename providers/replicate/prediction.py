"""A prediction of Replicate, and the result of an order by its final status."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeGuard, cast

from providers.port import Failure

MESSAGE_CHARACTERS = 500
_REFUSED = re.compile(r"nsfw|flagged|sensitive|safety|content policy|moderation|\(E005\)", re.IGNORECASE)


class Status(StrEnum):
    """https://replicate.com/docs/topics/predictions/lifecycle"""

    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABORTED = "aborted"


_FINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.ABORTED})


@dataclass(frozen=True, slots=True)
class Prediction:
    """The part of a prediction that is used. An unknown status counts as running. Lists may omit `webhook`."""

    id: str
    status: str
    input: object
    output: object
    error: str
    logs: str
    data_removed: bool
    webhook: str | None
    has_webhook_field: bool
    created_at: datetime | None
    completed_at: datetime | None
    deadline: datetime | None

    @property
    def finished(self) -> bool:
        """Whether the status is final."""
        return self.status in _FINAL

    @property
    def timed_out(self) -> bool:
        """Whether it was canceled by its deadline, not by a request."""
        if self.deadline is None or self.completed_at is None:
            return False
        return self.completed_at >= self.deadline


def parse(data: object) -> Prediction:
    """Parse the JSON of a prediction. Raises ValueError for anything else."""
    if not _is_object(data) or not isinstance(data.get("id"), str) or not isinstance(data.get("status"), str):
        raise ValueError("not a prediction")
    webhook = data.get("webhook")
    return Prediction(
        id=cast("str", data["id"]),
        status=cast("str", data["status"]),
        input=data.get("input"),
        output=data.get("output"),
        error=_text(data.get("error")),
        logs=_text(data.get("logs")),
        data_removed=data.get("data_removed") is True,
        webhook=webhook if isinstance(webhook, str) else None,
        has_webhook_field="webhook" in data,
        created_at=_moment(data.get("created_at")),
        completed_at=_moment(data.get("completed_at")),
        deadline=_moment(data.get("deadline")),
    )


def clip_url(prediction: Prediction) -> str:
    """Return the URL of the clip of a finished prediction. Raises Failure when there is none.

    The failure of a prediction that succeeded is not retryable: a retry would pay for another one.
    """
    match prediction.status:
        case Status.SUCCEEDED:
            return _output_url(prediction)
        case Status.CANCELED if not prediction.timed_out:
            raise Failure("CANCELED", "The prediction was canceled.", retryable=False)
        case Status.CANCELED | Status.ABORTED:
            when = "before it could start" if prediction.status == Status.ABORTED else "while it ran"
            raise Failure("PREDICTION_TIMEOUT", f"The prediction reached its deadline {when}.", retryable=True)
        case _:
            raise _failed(prediction.error or "The model gave no reason.")


def _failed(reason: str) -> Failure:
    refused = _REFUSED.search(reason) is not None
    code = "CONTENT_REFUSED" if refused else "PREDICTION_FAILED"
    return Failure(code, f"The model failed: {reason[:MESSAGE_CHARACTERS]}", retryable=not refused)


def _output_url(prediction: Prediction) -> str:
    urls = list(_urls(prediction.output))
    if urls:
        return next((url for url in urls if _is_clip(url)), urls[0])
    if prediction.data_removed:
        raise expired()
    raise Failure("NO_OUTPUT", "The prediction succeeded without a file.", retryable=False)


def expired() -> Failure:
    """Return the failure of a prediction whose output Replicate has deleted."""
    return Failure(
        "OUTPUT_EXPIRED",
        "The clip was made, but Replicate has deleted it; regenerate the scene to make another.",
        retryable=False,
    )


def _urls(output: object) -> Iterator[str]:
    """Yield the URLs in an output: a string, a list or an object, depending on the model."""
    match output:
        case str():
            if output.startswith(("http://", "https://")):
                yield output
        case list():
            for item in cast("list[object]", output):
                yield from _urls(item)
        case dict():
            for item in cast("dict[str, object]", output).values():
                yield from _urls(item)
        case _:
            pass


def _is_clip(url: str) -> bool:
    return url.partition("?")[0].lower().endswith((".mp4", ".webm"))


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
