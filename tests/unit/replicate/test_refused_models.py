"""What is refused for good is not bought again, and its failure names the class (provider `replicate`)."""

from typing import Any

import pytest

from providers.hosted.failures import in_words
from providers.port import Failure, Order
from tests.support.orders import made
from tests.support.plain_ids import plain_text
from tests.support.replicate import FakeReplicate, NewProvider


@pytest.mark.parametrize(
    ("error", "code", "retryable", "retries"),
    [
        ("Your request violates our usage policies.", "MODERATED", False, None),
        ("(E006) prompt must be at most 2500 characters", "INVALID_INPUT", False, None),
        ("Service is temporarily unavailable (E004)", "PROVIDER_UNAVAILABLE", True, None),
        ("the weather", "PREDICTION_FAILED", True, 1),
        ({"code": "moderation_blocked", "message": "No."}, "MODERATED", False, None),
        ({"message": "Nothing came of it."}, "PREDICTION_FAILED", True, 1),
    ],
    ids=plain_text,
)
async def test_failed_prediction_names_the_class_of_its_reason(
    fake: FakeReplicate,
    new_provider: NewProvider,
    order: Order,
    error: Any,
    code: str,
    retryable: bool,
    retries: int | None,
) -> None:
    """With the words of the model; one of unknown reason is retried once."""
    fake.behave(outcome="failed", error=error)
    with pytest.raises(Failure) as caught:
        await made(new_provider(), order)
    failure = caught.value
    assert (failure.code, failure.retryable, failure.retries, failure.unsettled) == (code, retryable, retries, False)
    assert in_words(error) in failure.message


@pytest.mark.parametrize(
    ("status", "detail", "code"),
    [
        (400, "The prompt was flagged by moderation.", "MODERATED"),
        (422, "Input violates our usage policy", "MODERATED"),
        (400, "prompt must be at most 2500 characters", "INVALID_INPUT"),
        (400, "Because of the weather.", "REQUEST_REFUSED"),
    ],
)
async def test_refused_creation_names_the_class_of_its_reason(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, status: int, detail: str, code: str
) -> None:
    """As that of a failed prediction."""
    fake.fault("create", "status", status=status, detail=detail)
    with pytest.raises(Failure) as caught:
        await new_provider().submit(order)
    assert (caught.value.code, caught.value.retryable) == (code, False)
