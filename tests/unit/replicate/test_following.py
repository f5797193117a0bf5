"""Predictions are polled until they are finished (provider `replicate`)."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from providers.port import Failure, Order, Progress, Rendered
from providers.replicate.provider import ReplicateProvider
from tests.support.orders import all_of, drained
from tests.support.replicate import BRIEF, QUICK, FakeReplicate, NewProvider, failure
from tests.support.waiting import TIMEOUT_SECONDS


async def fractions(provider: ReplicateProvider, order: Order) -> list[float | None]:
    """Follow an order; return its progress before the first frame of its clip."""
    steps = await all_of(provider.follow(order, await provider.submit(order)))
    return [step.fraction for step in steps if isinstance(step, Progress) and step.frame is None]


async def test_progress_of_a_prediction_is_parsed_from_its_logs(new_provider: NewProvider, order: Order) -> None:
    """Each poll yields the newest percentage; the end of a bar adds nothing, because another may follow."""
    assert await fractions(new_provider(), order) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9]


async def test_progress_of_a_prediction_without_a_percentage_is_unknown(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """The fraction is None."""
    fake.behave(log_progress=False)
    assert await fractions(new_provider(), order) == [None] * 11


WEIGHTS = "Loading weights: 100%|██████████| 8/8\n"


@pytest.mark.parametrize(
    ("logs", "expected"),
    [
        ([WEIGHTS, " 10%|█| 1/10\n", " 60%|██████| 6/10\n"], [None, 0.1, 0.6]),
        (["100%|██████████| 8/8\n", " 10%|█| 1/10\n", " 60%|██████| 6/10\n"], [None, 0.1, 0.6]),
        ([" 50%|█| 1/2\n", "100%|█| 2/2\n", "  0%|█| 0/4\n", " 50%|█| 2/4\n"], [0.5, 0.5, 0.5, 0.75]),
        ([" 20%|", "█| 1/5 ", " 4", "0%|██| 2/5"], [0.2, 0.2, 0.2, 0.4]),
        (["Fetching 3 files:  33%|███| 1/3\r", "compiling: 90%|█|\r", "Progress: 5%\n"], [None, None, 0.05]),
    ],
    ids=["labelled", "complete when first seen", "two phases", "cut in the middle", "preparations"],
)
async def test_bar_that_starts_again_is_another_phase(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, logs: list[str], expected: list[float | None]
) -> None:
    """Progress is not stuck at the end of the first, and never falls."""
    fake.behave(logs=logs)
    assert (await fractions(new_provider(), order))[: len(expected)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ({"outcome": "failed"}, ("PREDICTION_FAILED", True)),
        ({"outcome": "failed", "error": "The input was flagged as sensitive. (E005)"}, ("MODERATED", False)),
        ({"outcome": "canceled"}, ("CANCELED", False)),
        ({"outcome": "canceled", "out_of_time": True}, ("PREDICTION_TIMEOUT", True)),
        ({"outcome": "aborted"}, ("PREDICTION_TIMEOUT", True)),
        ({"outcome": "succeeded", "output": "none"}, ("NO_OUTPUT", False)),
    ],
    ids=["failed", "refused", "canceled", "canceled by its deadline", "aborted", "without output"],
)
async def test_prediction_with_another_final_status_is_a_failure(
    fake: FakeReplicate,
    new_provider: NewProvider,
    order: Order,
    commands: dict[str, object],
    expected: tuple[str, bool],
) -> None:
    """A failed model is retryable; a prediction that was paid for is not created again."""
    fake.behave(**commands)
    assert await failure(new_provider(), order) == expected


async def test_prediction_with_an_unknown_status_is_polled_further(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """Replicate has added statuses before."""
    fake.behave(outcome="queued")
    provider = new_provider()
    prediction_id = await provider.submit(order)
    async with aclosing(provider.follow(order, prediction_id)) as steps:
        for _ in range(15):
            await anext(steps)
    assert fake.predictions()[0]["status"] == "queued"


async def test_polling_of_a_prediction_survives_errors(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """Server errors, rate limits and broken connections are retried."""
    provider = new_provider()
    prediction_id = await provider.submit(order)
    for do, details in [("cut", {}), ("status", {"status": 500}), ("status", {"status": 429, "retry_after": 0})]:
        fake.fault("get", do, times=2, **details)
    steps = await all_of(provider.follow(order, prediction_id))
    assert isinstance(steps[-1], Rendered)
    assert fake.counts()["get"] == 6 + 12


async def test_prediction_that_was_deleted_is_not_retryable(new_provider: NewProvider, order: Order) -> None:
    """It was paid for, and its result is unknown."""
    with pytest.raises(Failure) as caught:
        await all_of(new_provider(BRIEF).follow(order, "gone"))
    assert (caught.value.code, caught.value.retryable) == ("NOT_FOUND", False)


async def test_callback_of_a_prediction_ends_the_pause_between_polls(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """A poll that is due in an hour happens immediately."""
    fake.behave(hold=True)
    provider = new_provider(replace(QUICK, poll=3600.0))
    prediction_id = await provider.submit(order)
    rendered = asyncio.create_task(all_of(provider.follow(order, prediction_id)))
    await fake.until(looks=1)
    fake.command("release")
    provider.wake("another")
    provider.wake(prediction_id)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        assert isinstance((await rendered)[-1], Rendered)


async def test_canceled_prediction_is_canceled_at_the_provider(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """The request is retried after a server error; the follow ends with a failure."""
    fake.behave(hold=True)
    fake.fault("cancel", "status", status=500)
    provider = new_provider()
    prediction_id = await provider.submit(order)
    async with aclosing(provider.follow(order, prediction_id)) as steps:
        await anext(steps)
        await provider.cancel(prediction_id)
        with pytest.raises(Failure) as caught:
            await drained(steps)
    assert (caught.value.code, caught.value.retryable) == ("CANCELED", False)
    assert [each["status"] for each in fake.predictions()] == ["canceled"]
    assert fake.counts()["cancel"] == 2
