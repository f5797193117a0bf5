"""What the provider for Replicate promises beyond the port, against a fake of their API that misbehaves on command."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from providers.port import Failure, Order, Progress, Rendered
from providers.replicate.provider import ReplicateProvider
from providers.replicate.retrying import Pace
from providers.replicate.template import seed
from tests.support.orders import all_of, an_order, drained, made
from tests.support.replicate import CALLBACKS, QUICK, FakeReplicate
from tests.support.replicate_state import TOKEN, VERSION
from tests.support.waiting import TIMEOUT_SECONDS

SEEDED = '{"prompt": "{prompt}", "duration": "{duration_seconds}", "seed": "{seed}"}'
HASTY = replace(QUICK, patience=0.3)

Buyer = Callable[..., ReplicateProvider]


@pytest.fixture(scope="module")
def process() -> Generator[FakeReplicate]:
    fake = FakeReplicate()
    yield fake
    fake.stop()


@pytest.fixture
def fake(process: FakeReplicate) -> FakeReplicate:
    """The fake, with no memory of other tests."""
    process.command("reset")
    return process


@pytest.fixture
async def buyer(fake: FakeReplicate) -> AsyncGenerator[Buyer]:
    """Makes providers, each as a new process would, and closes them."""
    providers: list[ReplicateProvider] = []

    def make(pace: Pace = QUICK, **how: Any) -> ReplicateProvider:
        providers.append(fake.provider(pace, **how))
        return providers[-1]

    yield make
    for provider in providers:
        await provider.close()


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return an_order(tmp_path, duration_seconds=1.0)


async def failure(provider: ReplicateProvider, order: Order) -> tuple[str, bool]:
    """The code of the failure that an order must end in, and whether it may be tried again."""
    with pytest.raises(Failure) as caught:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await made(provider, order)
    return caught.value.code, caught.value.retryable


async def fractions(provider: ReplicateProvider, order: Order) -> list[float | None]:
    """What an order's progress said before its clip was there."""
    steps = await all_of(provider.follow(order, await provider.submit(order)))
    return [step.fraction for step in steps if isinstance(step, Progress) and step.frame is None]


# Buying


async def test_an_order_buys_the_configured_version_with_its_input(
    fake: FakeReplicate, buyer: Buyer, order: Order
) -> None:
    """Prompt and duration are mapped, whole numbers stay whole, and Replicate itself ends what lives too long."""
    before = datetime.now(UTC)
    prediction_id = await buyer(template=SEEDED).submit(order)
    bought = fake.predictions()
    life = datetime.fromisoformat(bought[0]["deadline"]) - before
    assert [each["id"] for each in bought] == [prediction_id]
    assert bought[0]["version"] == VERSION
    assert bought[0]["input"] == {"prompt": order.prompt, "duration": 1, "seed": seed(order.key)}
    assert isinstance(bought[0]["input"]["duration"], int)
    assert bought[0]["webhook"] == f"{CALLBACKS}/callbacks/replicate/{order.key}"
    assert fake.command("state")["keys"] == [order.key]
    assert 1790 < life.total_seconds() < 1810


@pytest.mark.parametrize("template", [SEEDED, None], ids=["seed", "callback"])
@pytest.mark.parametrize("listed", [True, False], ids=["listed", "unlisted"])
async def test_after_a_crash_between_purchase_and_commit_nothing_is_bought_twice(
    fake: FakeReplicate, buyer: Buyer, order: Order, template: str | None, listed: bool
) -> None:
    """A new process finds the prediction by its seed or its callback, also behind others and on a later page."""
    how = {"template": template, "callbacks": ""} if template else {}
    fake.behave(page_size=2, list_webhooks=listed)
    first = buyer(**how)
    prediction_id = await first.submit(order)
    for number in range(5):
        await first.submit(replace(order, key=f"take_after_{number}"))
    assert await buyer(**how).submit(order) == prediction_id
    assert fake.counts()["creations"] == 6


async def test_the_address_of_the_server_may_change_in_between(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """A tunnel has another name after a restart; the key at the end of the callback is what counts."""
    prediction_id = await buyer(callbacks="https://one.test").submit(order)
    assert await buyer(callbacks="https://another.test").submit(order) == prediction_id
    assert fake.counts()["creations"] == 1


async def test_another_take_with_the_same_words_is_another_purchase(
    fake: FakeReplicate, buyer: Buyer, order: Order
) -> None:
    """Who regenerates a scene does not get the old clip."""
    provider = buyer(template=SEEDED)
    ids = [await provider.submit(replace(order, key=key)) for key in ("take_1", "take_2")]
    assert len(set(ids)) == 2
    assert fake.counts()["creations"] == 2


async def test_a_purchase_whose_answer_was_lost_is_found(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """The connection was cut after the prediction had been made."""
    fake.fault("create", "lose")
    prediction_id = await buyer().submit(order)
    assert [each["id"] for each in fake.predictions()] == [prediction_id]


async def test_a_purchase_that_comes_late_into_the_list_is_found(
    fake: FakeReplicate, buyer: Buyer, order: Order
) -> None:
    """One list without it proves nothing yet."""
    fake.behave(list_lag=2)
    fake.fault("create", "lose")
    prediction_id = await buyer().submit(order)
    assert [each["id"] for each in fake.predictions()] == [prediction_id]


async def test_a_list_that_breaks_off_is_read_again_from_its_beginning(
    fake: FakeReplicate, buyer: Buyer, order: Order
) -> None:
    """What is behind the page that failed must not be taken for read."""
    fake.behave(page_size=1, age_seconds=900.0)
    prediction_id = await buyer().submit(order)
    fake.behave(age_seconds=0.0)
    await buyer().submit(replace(order, key="take_after"))
    fake.fault("list", "cut", skip=1)
    assert await buyer().submit(order) == prediction_id
    assert fake.counts()["creations"] == 2


async def test_a_purchase_is_looked_for_until_it_is_sure_that_there_is_none(
    fake: FakeReplicate, buyer: Buyer, order: Order
) -> None:
    """Lists that fail do not prove anything: neither errors nor cut connections lead to a second purchase."""
    fake.fault("create", "lose")
    provider = buyer()
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
async def test_a_purchase_that_was_not_made_is_made_after_looking(
    fake: FakeReplicate, buyer: Buyer, order: Order, do: str, details: dict[str, int]
) -> None:
    """Cut connections and errors of the server leave it open what happened: the list is read, then it is bought."""
    fake.fault("create", do, times=2, **details)
    await buyer().submit(order)
    counts = fake.counts()
    assert (counts["creations"], counts["create"]) == (1, 3)
    assert counts["list"] == 1 + 2 * (len(QUICK.settling) + 1)


async def test_a_throttled_purchase_waits_as_long_as_it_is_told(
    fake: FakeReplicate, buyer: Buyer, order: Order
) -> None:
    """A 429 did nothing, so nothing has to settle; Retry-After is obeyed."""
    fake.fault("create", "status", status=429, retry_after=1)
    started = asyncio.get_running_loop().time()
    await buyer().submit(order)
    assert asyncio.get_running_loop().time() - started >= 1
    assert {"creations": 1, "create": 2, "list": 2}.items() <= fake.counts().items()


async def test_whoever_was_overtaken_while_waiting_does_not_buy(
    fake: FakeReplicate, buyer: Buyer, order: Order
) -> None:
    """A worker that was throttled, then stopped for longer than its lease, finds what the next one bought."""
    fake.fault("create", "status", status=429, retry_after=1)
    overtaken = asyncio.create_task(buyer().submit(order))
    await fake.until(create=1)
    prediction_id = await buyer().submit(order)
    assert await overtaken == prediction_id
    assert fake.counts()["creations"] == 1


async def test_what_may_have_been_bought_is_never_bought_again_by_itself(
    fake: FakeReplicate, buyer: Buyer, order: Order
) -> None:
    """When it cannot be found out in time, only a person may decide to try again."""
    provider = buyer(HASTY)
    await provider.submit(replace(order, key="take_before"))
    fake.fault("create", "lose", seconds=0.2)
    failing = asyncio.create_task(failure(provider, order))
    await fake.until(creations=2)
    fake.fault("list", "status", status=500, times=1000)
    assert await failing == ("PURCHASE_UNKNOWN", False)
    assert fake.counts()["creations"] == 2


async def test_an_api_that_is_away_is_a_failure_to_be_tried_again(buyer: Buyer, order: Order) -> None:
    """Nothing was bought, for nobody was there."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        provider = buyer(HASTY, address=f"http://127.0.0.1:{nobody.getsockname()[1]}/v1")
        assert await failure(provider, order) == ("PROVIDER_UNAVAILABLE", True)


async def test_the_patience_for_a_throttled_purchase_ends(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """A minute that is longer than the patience is not waited for."""
    fake.fault("create", "status", status=429, retry_after=60, times=1000)
    assert await failure(buyer(HASTY), order) == ("PROVIDER_UNAVAILABLE", True)
    assert "creations" not in fake.counts()


async def test_the_patience_for_a_broken_api_ends_too(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """It answers that it cannot, and its list proves that it did not."""
    fake.fault("create", "status", status=500, times=1000)
    assert await failure(buyer(HASTY), order) == ("PROVIDER_UNAVAILABLE", True)
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
async def test_a_refusal_names_its_reason(
    fake: FakeReplicate, buyer: Buyer, order: Order, status: int, code: str
) -> None:
    """Nothing in 4xx gets better by itself."""
    fake.fault("create", "status", status=status, detail="Because of the weather.")
    with pytest.raises(Failure, match=r"Because of the weather\.") as caught:
        await buyer().submit(order)
    assert (caught.value.code, caught.value.retryable) == (code, False)
    assert "creations" not in fake.counts()


async def test_an_input_that_the_model_does_not_take_is_told_by_field(buyer: Buyer, order: Order) -> None:
    """Strict models name what they do not know."""
    provider = buyer(template='{"prompt": "{prompt}", "frames": 24}')
    with pytest.raises(Failure, match=r"input\.frames: Additional property frames is not allowed") as caught:
        await provider.submit(order)
    assert (caught.value.code, caught.value.retryable) == ("INVALID_INPUT", False)


async def test_the_token_is_told_to_nobody(
    fake: FakeReplicate, buyer: Buyer, order: Order, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a refusal that repeats it nor any log holds it."""
    caplog.set_level(logging.DEBUG)
    wrong = TOKEN.replace("0", "1")
    with pytest.raises(Failure) as caught:
        await buyer(token=wrong).submit(order)
    assert (caught.value.code, caught.value.retryable) == ("UNAUTHORIZED", False)
    assert wrong not in str(caught.value)
    fake.fault("create", "lose")
    await made(buyer(), order)
    told = "\n".join(caplog.messages) + str([vars(record) for record in caplog.records])
    assert wrong not in told
    assert TOKEN not in told


# Following


async def test_the_logs_tell_how_far_it_is(buyer: Buyer, order: Order) -> None:
    """Each look gives the newest percentage; the end of the bar is not the end of the prediction."""
    assert await fractions(buyer(), order) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99]


async def test_without_a_bar_in_the_logs_nobody_knows(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """No figure is better than an invented one."""
    fake.behave(log_progress=False)
    assert await fractions(buyer(), order) == [None] * 11


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ({"outcome": "failed"}, ("PREDICTION_FAILED", True)),
        ({"outcome": "failed", "error": "The input was flagged as sensitive. (E005)"}, ("CONTENT_REFUSED", False)),
        ({"outcome": "canceled"}, ("CANCELED", False)),
        ({"outcome": "canceled", "out_of_time": True}, ("PREDICTION_TIMEOUT", True)),
        ({"outcome": "aborted"}, ("PREDICTION_TIMEOUT", True)),
        ({"outcome": "succeeded", "output": "none"}, ("NO_OUTPUT", False)),
    ],
    ids=["failed", "refused", "canceled", "canceled by its deadline", "aborted", "without output"],
)
async def test_every_other_end_is_a_typed_failure(
    fake: FakeReplicate, buyer: Buyer, order: Order, commands: dict[str, object], expected: tuple[str, bool]
) -> None:
    """A model may fail once; what was paid for is not bought again by itself."""
    fake.behave(**commands)
    assert await failure(buyer(), order) == expected


async def test_a_status_that_nobody_knows_is_waited_out(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """Their list of statuses has grown before."""
    fake.behave(outcome="queued")
    provider = buyer()
    prediction_id = await provider.submit(order)
    async with aclosing(provider.follow(order, prediction_id)) as steps:
        for _ in range(15):
            await anext(steps)
    assert fake.predictions()[0]["status"] == "queued"


async def test_polling_survives_whatever_the_api_does(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """Errors, throttling and cut connections in the middle cost time, nothing else."""
    provider = buyer()
    prediction_id = await provider.submit(order)
    for do, details in [("cut", {}), ("status", {"status": 500}), ("status", {"status": 429, "retry_after": 0})]:
        fake.fault("get", do, times=2, **details)
    steps = await all_of(provider.follow(order, prediction_id))
    assert isinstance(steps[-1], Rendered)
    assert fake.counts()["get"] == 6 + 12


async def test_a_prediction_that_is_gone_is_not_bought_again_by_itself(buyer: Buyer, order: Order) -> None:
    """Somebody deleted it."""
    with pytest.raises(Failure) as caught:
        await all_of(buyer().follow(order, "gone"))
    assert (caught.value.code, caught.value.retryable) == ("NOT_FOUND", False)


async def test_a_callback_wakes_whoever_waits(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """A look that would be due in an hour happens at once."""
    fake.behave(hold=True)
    provider = buyer(replace(QUICK, poll=3600.0))
    prediction_id = await provider.submit(order)
    rendered = asyncio.create_task(all_of(provider.follow(order, prediction_id)))
    await fake.until(looks=1)
    fake.command("release")
    provider.wake("another")
    provider.wake(prediction_id)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        assert isinstance((await rendered)[-1], Rendered)


async def test_a_cancel_reaches_replicate(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """Also when it has to be said twice; the follower hears of it."""
    fake.behave(hold=True)
    fake.fault("cancel", "status", status=500)
    provider = buyer()
    prediction_id = await provider.submit(order)
    async with aclosing(provider.follow(order, prediction_id)) as steps:
        await anext(steps)
        await provider.cancel(prediction_id)
        with pytest.raises(Failure) as caught:
            await drained(steps)
    assert (caught.value.code, caught.value.retryable) == ("CANCELED", False)
    assert [each["status"] for each in fake.predictions()] == ["canceled"]
    assert fake.counts()["cancel"] == 2


# Fetching


@pytest.mark.parametrize("output", ["string", "list", "object"])
async def test_the_clip_is_found_in_any_shape_of_output(
    fake: FakeReplicate, buyer: Buyer, order: Order, output: str
) -> None:
    """Models answer with an address, a list of them or an object; stills beside the clip do not count."""
    fake.behave(output=output)
    rendered = await made(buyer(), order)
    assert (rendered.clip.path, rendered.clip.content_type) == (order.workdir / "clip.mp4", "video/mp4")
    assert (rendered.clip.width, rendered.clip.height, rendered.clip.duration_seconds) == (64, 36, 1.0)


@pytest.mark.parametrize("fault", ["status", "cut"])
async def test_a_download_that_fails_is_begun_anew(fake: FakeReplicate, buyer: Buyer, order: Order, fault: str) -> None:
    """What was paid for is not given up for an error of the delivery."""
    fake.fault("download", fault, status=503, times=2)
    assert (await made(buyer(), order)).poster is not None
    assert fake.counts()["download"] == 3


@pytest.mark.parametrize("patience", [QUICK, HASTY], ids=["gone at once", "after the patience"])
async def test_a_delivery_that_stays_away_is_not_bought_again_by_itself(
    fake: FakeReplicate, buyer: Buyer, order: Order, patience: Pace
) -> None:
    """The clip was made; who wants it again says so."""
    status = 400 if patience is QUICK else 500
    fake.fault("download", "status", status=status, times=1000)
    assert await failure(buyer(patience), order) == ("OUTPUT_UNAVAILABLE", False)
    assert fake.counts()["creations"] == 1


async def test_a_disk_that_takes_nothing_does_not_lead_to_another_purchase(
    fake: FakeReplicate, buyer: Buyer, order: Order
) -> None:
    """It is tried for as long as the patience lasts; room may be made meanwhile."""
    order.workdir.rmdir()
    assert await failure(buyer(HASTY), order) == ("OUTPUT_UNAVAILABLE", False)
    assert fake.counts()["download"] > 1


async def test_an_output_that_was_removed_is_a_typed_failure(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """Whoever comes back after more than an hour finds the prediction, but not what it made."""
    provider = buyer()
    prediction_id = await provider.submit(order)
    fake.command("release")
    fake.command("expire")
    with pytest.raises(Failure) as caught:
        await all_of(provider.follow(order, prediction_id))
    assert (caught.value.code, caught.value.retryable) == ("OUTPUT_EXPIRED", False)


async def test_an_address_that_expired_is_the_same_failure(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """The prediction still tells the address, the delivery no longer knows it."""
    fake.fault("download", "status", status=404)
    assert await failure(buyer(), order) == ("OUTPUT_EXPIRED", False)


@pytest.mark.parametrize("tell_length", [True, False], ids=["told", "not told"])
async def test_a_clip_that_is_too_large_is_not_kept(
    fake: FakeReplicate, buyer: Buyer, order: Order, tell_length: bool
) -> None:
    """Whether its length is told or only found out; not a byte more than the limit is written."""
    fake.behave(garbage_bytes=3_000_000, tell_length=tell_length)
    assert await failure(buyer(most_bytes=2_000_000), order) == ("OUTPUT_TOO_LARGE", False)
    assert sum(path.stat().st_size for path in order.workdir.iterdir()) <= 2_000_000


async def test_a_clip_of_just_the_limit_is_kept(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """The limit is the last size that is accepted."""
    fake.behave(garbage_bytes=2_000_000)
    rendered = await made(buyer(most_bytes=2_000_000), order)
    assert rendered.clip.path.stat().st_size == 2_000_000


@pytest.mark.parametrize("content_type", ["text/html", "image/png", "video/x-flv"])
async def test_what_is_no_clip_is_refused(fake: FakeReplicate, buyer: Buyer, order: Order, content_type: str) -> None:
    """Only what browsers play is put among the media."""
    fake.behave(content_type=content_type)
    assert await failure(buyer(), order) == ("OUTPUT_NOT_A_CLIP", False)


async def test_an_untyped_file_is_taken_by_its_name(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """Some models upload without a type."""
    fake.behave(content_type="application/octet-stream")
    assert (await made(buyer(), order)).clip.content_type == "video/mp4"


async def test_a_clip_that_cannot_be_decoded_counts_without_poster(
    fake: FakeReplicate, buyer: Buyer, order: Order
) -> None:
    """It was paid for, and a browser may know better."""
    fake.behave(garbage_bytes=1000)
    rendered = await made(buyer(), order)
    assert rendered.clip.path.stat().st_size == 1000
    assert (rendered.poster, rendered.preview, rendered.clip.width) == (None, None, None)


async def test_nothing_is_fetched_from_elsewhere(fake: FakeReplicate, buyer: Buyer, order: Order) -> None:
    """A model cannot have this server read an address that only it can reach."""
    fake.behave(output="elsewhere")
    assert await failure(buyer(), order) == ("OUTPUT_REFUSED", False)
