"""The steps of takes that a change commits, for logs, metrics and traces; they are found by comparing rows."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NamedTuple

from models.db.rows import SceneRow
from models.domain.lifecycle import OPEN, SceneStatus
from models.domain.trace import TraceContext


class State(StrEnum):
    """A state that a take has reached."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SUBMITTED = "submitted"
    # A worker outside the server has delivered the clip, which this server looks at now.
    DELIVERED = "delivered"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELED = "canceled"
    # Its worker gave it back, or was lost: it waits again.
    RETURNED = "returned"


class Price(NamedTuple):
    """What the provider says that the clip costs; `currency` is an ISO 4217 code."""

    amount: Decimal
    currency: str


class TakeStep(NamedTuple):
    """A take has reached a state. `seconds` is how long it was in the state before, None if that is not known.

    `attempt` counts the attempts at the scene, this one included. `worker` is who has or had the take. A failed take is
    `retried` when another one follows by itself.
    """

    state: State
    provider: str
    job_id: str
    scene_id: str
    take_number: int
    at: datetime
    take_id: str | None = None
    run: int | None = None
    attempt: int | None = None
    worker: str | None = None
    seconds: float | None = None
    delay_seconds: float = 0.0
    code: str | None = None
    retried: bool = False
    price: Price | None = None
    # The attempts that the step gave back.
    refunded: int = 0
    # For a claim, the span of the request that let the take wait; for the end of a leased render, its own.
    trace: TraceContext | None = None


def step(before: SceneRow, after: SceneRow, take: Mapping[str, Any], now: datetime) -> TakeStep | None:
    """Return the step of the take that was the current one, if there is one; `take` are the written columns."""
    state = _state(before, after)
    if state is None:
        return None
    failure = after.failure if state is State.FAILED else None
    return TakeStep(
        state,
        before.provider,
        before.job_id,
        before.id,
        before.take_number,
        now,
        before.take_id,
        after.run,
        after.attempts,
        after.leased_by or before.leased_by,
        _seconds(before.queued_at if state is State.CLAIMED else before.take_started_at, now),
        code=None if failure is None else failure["code"],
        retried=state is State.FAILED and after.status is SceneStatus.PENDING,
        price=_price(take) if state is State.FINISHED else None,
        refunded=before.attempts - after.attempts if state is State.RETURNED else 0,
    )


def _state(before: SceneRow, after: SceneRow) -> State | None:
    if before.status not in OPEN:
        # It is over: it may be followed by another take, or be selected again.
        return None
    if after.take_id != before.take_id:
        return State.FAILED
    if after.status is before.status:
        return _within(before, after)
    match after.status:
        case SceneStatus.PROCESSING:
            return State.CLAIMED
        case SceneStatus.PENDING:
            return State.RETURNED
        case SceneStatus.COMPLETED:
            return State.FINISHED
        case SceneStatus.FAILED:
            return State.FAILED
        case SceneStatus.CANCELED:
            return State.CANCELED


def _within(before: SceneRow, after: SceneRow) -> State | None:
    """Return the step of a take whose scene keeps its status."""
    if after.status is not SceneStatus.PROCESSING:
        return None
    if after.run != before.run and after.leased_by != before.leased_by:
        return State.DELIVERED
    is_new = after.provider_id is not None and after.provider_id != before.provider_id
    return State.SUBMITTED if is_new else None


def _seconds(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else max(0.0, (now - since).total_seconds())


def _price(take: Mapping[str, Any]) -> Price | None:
    made: Mapping[str, Any] = take.get("made") or {}
    cost: Mapping[str, Any] | None = made.get("cost")
    if cost is None:
        return None
    try:
        amount = Decimal(cost["amount"])
    except (InvalidOperation, KeyError):
        return None
    return Price(amount, str(cost.get("currency", ""))) if amount.is_finite() and amount >= 0 else None
