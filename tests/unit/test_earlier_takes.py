"""Earlier takes of a scene: orders that may have come to a clip, and retries that are used up."""

from datetime import UTC, datetime
from typing import Any

import pytest

from coordinator.renders.earlier_takes import retries_left, unsettled
from models.db.rows import TakeRow
from models.domain.failures import failure_json
from models.domain.lifecycle import SceneStatus, TakeReason
from providers.port import EarlierOrder, Failure

AT = datetime(2026, 1, 1, tzinfo=UTC)
BLANK: dict[str, Any] = dict.fromkeys(TakeRow._fields)


def a_take(number: int, **fields: Any) -> TakeRow:
    """Return a take that failed, unsettled, with an order of its own."""
    plain: dict[str, Any] = {
        "id": f"take_{number}",
        "number": number,
        "reason": TakeReason.REGENERATE,
        "prompt": "A lighthouse",
        "status": SceneStatus.FAILED,
        "provider": "replicate",
        "provider_id": f"order_{number}",
        "started_at": AT,
        "failure": failure_json("TIMEOUT", "", retryable=True, at=AT, unsettled=True),
    }
    return TakeRow(**(BLANK | plain | fields))


def pending(number: int, **fields: Any) -> TakeRow:
    """Return the current take."""
    return a_take(number, status=SceneStatus.PENDING, provider_id=None, failure=None, **fields)


SETTLED = failure_json("MODERATED", "", retryable=False, at=AT)


def test_unsettled_orders_of_earlier_takes_are_returned_newest_first() -> None:
    """With what is known of them; an order whose creation was not confirmed has no id."""
    takes = [pending(3), a_take(2, provider_id=None), a_take(1)]
    assert unsettled(takes) == (
        EarlierOrder("take_2", 2, None, AT),
        EarlierOrder("take_1", 1, "order_1", AT),
    )


def test_settings_that_the_model_has_by_default_are_no_others() -> None:
    """Also those that a provider reported only after the order; a requested value that differs does not match."""
    defaults = {"model": "one", "audio": True}
    takes = [
        pending(4, settings={"model": "one", "audio": True}),
        a_take(3, settings={"model": "one", "audio": False}),
        a_take(2, settings={"model": "one"}),
        a_take(1, settings={"model": "one", "seed": 1}),
    ]
    assert [each.number for each in unsettled(takes, defaults)] == [2]
    assert unsettled(takes) == ()


@pytest.mark.parametrize(
    "earlier",
    [
        [],
        [a_take(1, failure=SETTLED)],
        [a_take(1, failure=None, status=SceneStatus.CANCELED)],
        [a_take(1, prompt="Another prompt")],
        [a_take(1, provider="local")],
        [a_take(1, settings={"seed": 1})],
        [a_take(1, inputs=[{"role": "FIRST_FRAME", "take_id": "take_0"}])],
        [a_take(2, status=SceneStatus.COMPLETED, failure=None), a_take(1)],
        [a_take(2, provider_id="order_1"), a_take(1)],
        [a_take(2, provider_id="order_1", failure=SETTLED), a_take(1)],
        [a_take(2, failure=SETTLED), a_take(1, provider_id=None)],
    ],
    ids=[
        "none",
        "settled",
        "canceled",
        "other prompt",
        "other provider",
        "other settings",
        "other inputs",
        "before a completed take",
        "taken up twice",
        "taken up and settled",
        "taken up and settled, its id unknown before",
    ],
)
def test_order_that_is_settled_or_does_not_fit_is_not_returned(earlier: list[TakeRow]) -> None:
    """The current take submits a new order."""
    assert unsettled([pending(9), *earlier]) == ()


def test_order_whose_id_is_not_known_is_returned_until_one_of_the_same_prompt_has_one() -> None:
    """It was found then, or another was made because there was none: it is not tried for ever."""
    unknown, other = a_take(1, provider_id=None), a_take(2, prompt="Another prompt")
    assert unsettled([pending(3), other, unknown]) == (EarlierOrder("take_1", 1, None, AT),)
    assert [order.key for order in unsettled([pending(3), a_take(2), unknown])] == ["take_2"]
    assert unsettled([pending(4), a_take(3, provider_id="order_2"), a_take(2), unknown]) == ()


def test_order_of_the_same_settings_and_inputs_is_returned() -> None:
    """Also that of a process that did not know of settings: it is not bought again."""
    asked: dict[str, Any] = {"settings": {"seed": 1}, "inputs": [{"role": "REFERENCE", "asset_id": "asset_1"}]}
    assert [order.number for order in unsettled([pending(2, **asked), a_take(1, **asked)])] == [1]
    assert [order.number for order in unsettled([pending(2, settings={"model": "plain"}), a_take(1)])] == [1]
    assert unsettled([pending(2, settings={"a": True}), a_take(1, settings={"a": 1})]) == ()


def test_scene_without_takes_has_no_unsettled_orders() -> None:
    """It was removed meanwhile."""
    assert unsettled([]) == ()


RETRY = TakeReason.AUTOMATIC_RETRY
UNKNOWN = failure_json("PREDICTION_FAILED", "", retryable=True, at=AT)


@pytest.mark.parametrize(
    ("takes", "left"),
    [
        ([pending(1)], True),
        ([pending(2, reason=RETRY), a_take(1, failure=UNKNOWN)], False),
        ([pending(2, reason=RETRY), a_take(1, failure=SETTLED)], True),
        ([pending(2), a_take(1, failure=UNKNOWN)], True),
        ([pending(3, reason=RETRY), a_take(2, reason=RETRY), a_take(1, failure=UNKNOWN)], False),
        ([pending(3, reason=RETRY), a_take(2, failure=SETTLED), a_take(1, failure=UNKNOWN)], True),
    ],
    ids=["first", "second", "after another failure", "regenerated", "third", "before a regenerate"],
)
def test_failure_is_retried_as_often_as_it_allows(takes: list[TakeRow], left: bool) -> None:
    """Failures of the same code count, since the last regenerate."""
    assert retries_left(takes, Failure("PREDICTION_FAILED", "", retryable=True, retries=1)) is left
    assert retries_left(takes, Failure("PREDICTION_FAILED", "", retryable=True))
