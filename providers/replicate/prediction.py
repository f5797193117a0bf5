"""A prediction as Replicate describes it, and what its end means for an order."""

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


_OVER = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.ABORTED})


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is used of a prediction. A status that nobody knows counts as running. `webhook` may not be told."""

    id: str
    status: str
    input: object
    output: object
    error: str
    logs: str
    data_removed: bool
    webhook: str | None
    webhook_told: bool
    created_at: datetime | None
    completed_at: datetime | None
    deadline: datetime | None

    @property
    def over(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in _OVER

    @property
    def out_of_time(self) -> bool:
        """Whether it was canceled because its deadline came, not because somebody wanted it."""
        if self.deadline is None or self.completed_at is None:
            return False
        return self.completed_at >= self.deadline


def read(said: object) -> Prediction:
    """Understand the JSON of a prediction. Raises ValueError for what is none."""
    if not _is_object(said) or not isinstance(said.get("id"), str) or not isinstance(said.get("status"), str):
        raise ValueError("not a prediction")
    webhook = said.get("webhook")
    return Prediction(
        id=cast("str", said["id"]),
        status=cast("str", said["status"]),
        input=said.get("input"),
        output=said.get("output"),
        error=_text(said.get("error")),
        logs=_text(said.get("logs")),
        data_removed=said.get("data_removed") is True,
        webhook=webhook if isinstance(webhook, str) else None,
        webhook_told="webhook" in said,
        created_at=_moment(said.get("created_at")),
        completed_at=_moment(said.get("completed_at")),
        deadline=_moment(said.get("deadline")),
    )


def clip_address(prediction: Prediction) -> str:
    """Where the clip of a prediction that is over lies. Raises Failure when there is none.

    None of what was paid for is bought again without being asked: what succeeded does not fail retryably.
    """
    match prediction.status:
        case Status.SUCCEEDED:
            return _delivered(prediction)
        case Status.CANCELED if not prediction.out_of_time:
            raise Failure("CANCELED", "The prediction was canceled.", retryable=False)
        case Status.CANCELED | Status.ABORTED:
            when = "before it could start" if prediction.status == Status.ABORTED else "while it ran"
            raise Failure("PREDICTION_TIMEOUT", f"The prediction came to its deadline {when}.", retryable=True)
        case _:
            raise _failed(prediction.error or "The model gave no reason.")


def _failed(reason: str) -> Failure:
    refused = _REFUSED.search(reason) is not None
    code = "CONTENT_REFUSED" if refused else "PREDICTION_FAILED"
    return Failure(code, f"The model failed: {reason[:MESSAGE_CHARACTERS]}", retryable=not refused)


def _delivered(prediction: Prediction) -> str:
    addresses = list(_addresses(prediction.output))
    if addresses:
        return next((address for address in addresses if _is_clip(address)), addresses[0])
    if prediction.data_removed:
        raise expired()
    raise Failure("NO_OUTPUT", "The prediction succeeded without a file.", retryable=False)


def expired() -> Failure:
    """The result was made and paid for, and is gone."""
    return Failure(
        "OUTPUT_EXPIRED",
        "The clip was made, but Replicate no longer keeps it; regenerate the scene to have it made again.",
        retryable=False,
    )


def _addresses(output: object) -> Iterator[str]:
    """The addresses in an output, which is a text, a list or an object, as the model likes."""
    match output:
        case str():
            if output.startswith(("http://", "https://")):
                yield output
        case list():
            for item in cast("list[object]", output):
                yield from _addresses(item)
        case dict():
            for item in cast("dict[str, object]", output).values():
                yield from _addresses(item)
        case _:
            pass


def _is_clip(address: str) -> bool:
    return address.partition("?")[0].lower().endswith((".mp4", ".webm"))


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
