"""Predictions are created once for each order, whatever happens to the request (provider `replicate`)."""

import asyncio
import logging
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from providers.hosted.seeds import seed
from providers.port import Failure, Order
from tests.support.orders import made
from tests.support.replicate import BRIEF, CALLBACKS, QUICK, FakeReplicate, NewProvider, failure
from tests.support.replicate_state import OFFICIAL, TOKEN, VERSION

SEEDED = '{"prompt": "{prompt}", "duration": "{duration_seconds}", "seed": "{seed}"}'


async def test_prediction_is_created_with_the_configured_version_and_the_input_of_its_order(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """Prompt and duration are filled in, whole numbers as integers; the prediction has a deadline at Replicate."""
    before = datetime.now(UTC)
    prediction_id = await new_provider(template=SEEDED).submit(order)
    created = fake.predictions()
    lifetime = datetime.fromisoformat(created[0]["deadline"]) - before
    assert [each["id"] for each in created] == [prediction_id]
    assert created[0]["version"] == VERSION
    assert created[0]["input"] == {"prompt": order.prompt, "duration": 1, "seed": seed(order.key)}
    assert isinstance(created[0]["input"]["duration"], int)
    assert created[0]["webhook"] == f"{CALLBACKS}/callbacks/replicate/{order.key}"
    assert fake.command("state")["keys"] == [order.key]
    assert 1790 < lifetime.total_seconds() < 1810


async def test_prediction_of_an_official_model_is_created_by_its_name(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """Such a model has no versions."""
    await made(new_provider(version=OFFICIAL), order)
    assert [each["version"] for each in fake.predictions()] == ["hidden"]


@pytest.mark.parametrize("template", [SEEDED, None], ids=["seed", "callback"])
@pytest.mark.parametrize("listed", [True, False], ids=["listed", "unlisted"])
async def test_prediction_is_not_created_twice_after_a_crash_before_the_commit(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, template: str | None, listed: bool
) -> None:
    """A new process finds it by its seed or its callback, on a later page of the list too."""
    settings = {"template": template, "callbacks": ""} if template else {}
    fake.behave(page_size=2, list_webhooks=listed)
    first = new_provider(**settings)
    prediction_id = await first.submit(order)
    for number in range(5):
        await first.submit(replace(order, key=f"take_after_{number}"))
    assert await new_provider(**settings).submit(order) == prediction_id
    assert fake.counts()["creations"] == 6


async def test_prediction_is_found_after_the_url_of_the_server_changed(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """As that of a tunnel does at a restart: only the key at the end of the callback URL is compared."""
    prediction_id = await new_provider(callbacks="https://one.test").submit(order)
    assert await new_provider(callbacks="https://another.test").submit(order) == prediction_id
    assert fake.counts()["creations"] == 1


async def test_another_take_with_the_same_prompt_gets_another_prediction(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """A regenerated scene does not get its previous clip."""
    provider = new_provider(template=SEEDED)
    ids = [await provider.submit(replace(order, key=key)) for key in ("take_1", "take_2")]
    assert len(set(ids)) == 2
    assert fake.counts()["creations"] == 2


async def test_prediction_whose_creation_got_no_response_is_found(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """The connection broke after the prediction was created."""
    fake.fault("create", "lose")
    prediction_id = await new_provider().submit(order)
    assert [each["id"] for each in fake.predictions()] == [prediction_id]


async def test_prediction_that_is_listed_late_is_found(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """One list without it does not prove that it was not created."""
    fake.behave(list_lag=2)
    fake.fault("create", "lose")
    prediction_id = await new_provider().submit(order)
    assert [each["id"] for each in fake.predictions()] == [prediction_id]


async def test_list_of_predictions_is_read_again_from_its_start_after_an_error(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """The pages behind the one that failed were not read."""
    order = replace(order, started_at=datetime.now(UTC) - timedelta(seconds=900))
    fake.behave(page_size=1, age_seconds=900.0)
    prediction_id = await new_provider().submit(order)
    fake.behave(age_seconds=0.0)
    await new_provider().submit(replace(order, key="take_after", fresh=True))
    fake.fault("list", "cut", skip=1)
    assert await new_provider().submit(order) == prediction_id
    assert fake.counts()["creations"] == 2


async def test_prediction_is_searched_for_until_a_list_was_read(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """A list that fails proves nothing: neither an error nor a broken connection leads to a second prediction."""
    fake.fault("create", "lose")
    provider = new_provider()
    assert await provider.submit(replace(order, key="take_before")) is not None
    fake.fault("create", "lose")
    submitted = asyncio.create_task(provider.submit(order))
    await fake.until(creations=2)
    fake.fault("list", "status", status=503)
    fake.fault("list", "cut")
    prediction_id = await submitted
    assert [each["id"] for each in fake.predictions()][1:] == [prediction_id]


@pytest.mark.parametrize(
    ("do", "details"),
    [("cut", {}), ("status", {"status": 500}), ("status", {"status": 503, "retry_after": 0})],
    ids=["cut", "500", "503"],
)
async def test_prediction_that_was_not_created_is_created_after_a_search(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, do: str, details: dict[str, int]
) -> None:
    """A broken connection or a server error is ambiguous: the list is read before the next attempt."""
    fake.fault("create", do, times=2, **details)
    await new_provider().submit(order)
    counts = fake.counts()
    assert (counts["creations"], counts["create"]) == (1, 3)
    assert counts["list"] == 3 * (len(QUICK.settling) + 1)


async def test_creation_of_a_prediction_honors_retry_after_of_a_rate_limit(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """A 429 had no effect, so there is no settling pause before the search."""
    fake.fault("create", "status", status=429, retry_after=1)
    started = asyncio.get_running_loop().time()
    await new_provider().submit(order)
    assert asyncio.get_running_loop().time() - started >= 1
    assert {"creations": 1, "create": 2, "list": len(QUICK.settling) + 2}.items() <= fake.counts().items()


async def test_prediction_created_by_another_worker_during_a_pause_is_found(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """A worker that was rate limited, then paused for longer than its lease, finds what the next worker created."""
    fake.fault("create", "status", status=429, retry_after=1)
    paused = asyncio.create_task(new_provider().submit(order))
    await fake.until(create=1)
    prediction_id = await new_provider().submit(order)
    assert await paused == prediction_id
    assert fake.counts()["creations"] == 1


async def test_order_whose_prediction_may_exist_is_not_retried(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """When the list cannot be read in time, only a person may decide to create another prediction."""
    provider = new_provider(BRIEF)
    await provider.submit(replace(order, key="take_before"))
    fake.fault("create", "lose", seconds=0.2)
    failing = asyncio.create_task(failure(provider, order))
    await fake.until(creations=2)
    fake.fault("list", "status", status=500, times=1000)
    assert await failing == ("PURCHASE_UNKNOWN", False)
    assert fake.counts()["creations"] == 2


async def test_order_is_retryable_when_the_provider_is_unavailable(new_provider: NewProvider, order: Order) -> None:
    """Without a connection nothing was created."""
    with socket.socket() as not_listening:
        not_listening.bind(("127.0.0.1", 0))
        provider = new_provider(BRIEF, address=f"http://127.0.0.1:{not_listening.getsockname()[1]}/v1")
        assert await failure(provider, order) == ("PROVIDER_UNAVAILABLE", True)


async def test_order_is_given_up_when_the_rate_limit_lasts_too_long(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """A Retry-After beyond the timeout is not waited for."""
    fake.fault("create", "status", status=429, retry_after=60, times=1000)
    assert await failure(new_provider(BRIEF), order) == ("PROVIDER_UNAVAILABLE", True)
    assert "creations" not in fake.counts()


async def test_order_is_given_up_when_the_provider_keeps_failing(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """It is retryable: the list proves that no prediction was created."""
    fake.fault("create", "status", status=500, times=1000)
    assert await failure(new_provider(BRIEF), order) == ("PROVIDER_UNAVAILABLE", True)
    assert "creations" not in fake.counts()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "REQUEST_REFUSED"),
        (402, "PAYMENT_REQUIRED"),
        (403, "FORBIDDEN"),
        (404, "NOT_FOUND"),
        (422, "INVALID_INPUT"),
    ],
)
async def test_refused_creation_of_a_prediction_has_a_reason(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, status: int, code: str
) -> None:
    """Other 4xx responses are not retryable."""
    fake.fault("create", "status", status=status, detail="Because of the weather.")
    with pytest.raises(Failure, match=r"Because of the weather\.") as caught:
        await new_provider().submit(order)
    assert (caught.value.code, caught.value.retryable) == (code, False)
    assert "creations" not in fake.counts()


async def test_invalid_input_of_a_prediction_is_reported_by_field(new_provider: NewProvider, order: Order) -> None:
    """A strict model names the unknown field."""
    provider = new_provider(template='{"prompt": "{prompt}", "frames": 24}')
    with pytest.raises(Failure, match=r"input\.frames: Additional property frames is not allowed") as caught:
        await provider.submit(order)
    assert (caught.value.code, caught.value.retryable) == ("INVALID_INPUT", False)


async def test_token_of_the_provider_is_in_no_error_and_no_log(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even when Replicate repeats it in its error."""
    caplog.set_level(logging.DEBUG)
    wrong = TOKEN.replace("0", "1")
    with pytest.raises(Failure) as caught:
        await new_provider(token=wrong).submit(replace(order, fresh=True))
    assert (caught.value.code, caught.value.retryable) == ("UNAUTHORIZED", False)
    assert wrong not in str(caught.value)
    fake.fault("create", "lose")
    await made(new_provider(), order)
    logged = "\n".join(caplog.messages) + str([vars(record) for record in caplog.records])
    assert wrong not in logged
    assert TOKEN not in logged
