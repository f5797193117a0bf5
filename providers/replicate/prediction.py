"""A prediction of Replicate, and the result of an order by its final status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeGuard

from providers.hosted.failures import in_words
from providers.hosted.outputs import Candidate, candidates
from providers.port import Failure
from providers.refusals import failure_for
from providers.replicate.codes import reason_in


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
    """The part of a prediction that is used.

    An unknown or missing status counts as running. Lists may omit `webhook`.
    """

    id: str
    model: str
    status: str
    input: object
    output: object
    error: str
    logs: str
    metrics: Mapping[str, object]
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
    """Parse the JSON of a prediction, which has an id at least. Raises ValueError for anything else."""
    name = data.get("id") if _is_object(data) else None
    if not _is_object(data) or not isinstance(name, str) or not name:
        raise ValueError("not a prediction")
    webhook, metrics = data.get("webhook"), data.get("metrics")
    return Prediction(
        id=name,
        model=_text(data.get("model")),
        status=_text(data.get("status")),
        input=data.get("input"),
        output=data.get("output"),
        error=in_words(data.get("error")),
        logs=_text(data.get("logs")),
        metrics=metrics if _is_object(metrics) else {},
        data_removed=data.get("data_removed") is True,
        webhook=webhook if isinstance(webhook, str) else None,
        has_webhook_field="webhook" in data,
        created_at=_moment(data.get("created_at")),
        completed_at=_moment(data.get("completed_at")),
        deadline=_moment(data.get("deadline")),
    )


def clips_of(prediction: Prediction) -> Sequence[Candidate]:
    """Return where the clip of a finished prediction may be, most likely first. Raises Failure when there is none.

    The failure of a prediction that succeeded is not retryable: a retry would pay for another one.
    """
    match prediction.status:
        case Status.SUCCEEDED:
            return _outputs(prediction)
        case Status.CANCELED if not prediction.timed_out:
            raise Failure("CANCELED", "The prediction was canceled.", retryable=False)
        case Status.CANCELED | Status.ABORTED:
            when = "before it could start" if prediction.status == Status.ABORTED else "while it ran"
            raise Failure("PREDICTION_TIMEOUT", f"The prediction reached its deadline {when}.", retryable=True)
        case _:
            error = prediction.error or "It gave no reason."
            raise failure_for(reason_in(error), error, unknown="PREDICTION_FAILED")


def _outputs(prediction: Prediction) -> Sequence[Candidate]:
    found = candidates(prediction.output)
    if found:
        return found
    if prediction.data_removed:
        raise expired()
    raise Failure("NO_OUTPUT", "The prediction succeeded without a file.", retryable=False)


def expired() -> Failure:
    """Return the failure of a prediction whose output Replicate has deleted."""
    message = "The clip was made, but Replicate has deleted it; regenerate the scene to make another."
    return Failure("OUTPUT_EXPIRED", message, retryable=False)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _moment(value: object) -> datetime | None:
    """Return an instant in ISO 8601; one without a time zone is in UTC, as all of the API are."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
