"""Orders are bought once at fal, whose history lists requests, but not all that still run."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from providers.catalogue import InputRole, Model, Resolution, Settings
from providers.fal import webhooks
from providers.fal.jobs import is_job_id, job_id_of
from providers.hosted.ids import parsed
from providers.hosted.provider import HostedProvider
from providers.port import EarlierOrder, Failure, Order
from tests.support.fake_service import Reply, running
from tests.support.fal import CALLBACKS, MODEL, UNSEEDED, FakeFal
from tests.support.input_files import PictureFile
from tests.support.orders import all_of, an_order, made
from tests.support.replicate import BRIEF, QUICK
from tests.support.waiting import TIMEOUT_SECONDS, eventually


@pytest.fixture
async def service() -> AsyncGenerator[FakeFal]:
    service = FakeFal()
    async with running(service):
        yield service


@pytest.fixture
async def provider(service: FakeFal) -> AsyncGenerator[HostedProvider]:
    provider = service.provider(callbacks=CALLBACKS)
    yield provider
    await provider.close()


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return an_order(tmp_path, duration_seconds=1.0, fresh=True, started_at=datetime.now(UTC))


async def failure(provider: HostedProvider, order: Order) -> Failure:
    with pytest.raises(Failure) as caught:
        await made(provider, order)
    return caught.value


async def test_models_are_described_by_their_own_schemas(service: FakeFal, provider: HostedProvider) -> None:
    """One that fal does not describe is not available."""
    chosen = service.provider(names=[MODEL, "maker/gone"])
    found: list[Model] = []

    async def read() -> bool:
        found[:] = await chosen.models()
        return not any("being read" in (each.unavailable_reason or "") for each in found)

    await eventually(read)
    model, gone = found
    assert (model.name, model.available, model.durations_seconds) == (MODEL, True, (1.0, 2.0, 8.0))
    assert (model.max_prompt_length, model.max_references, model.seed) == (200, 3, True)
    assert model.options_schema is not None
    assert model.options_schema["properties"] == {
        "cfg_scale": {"type": "number", "minimum": 0, "maximum": 1},
        "style": {"type": "string", "enum": ["film", "anime"]},
    }
    assert (gone.available, gone.unavailable_reason) == (False, "It cannot be used: fal does not describe it.")
    await chosen.close()


async def test_order_is_submitted_with_its_settings(service: FakeFal, provider: HostedProvider, order: Order) -> None:
    """In the words of the model; the callback ends in the order's key."""
    settings = Settings(MODEL, "9:16", Resolution.P1080, 7, "fog", audio=False, options={"style": "film"})
    files = (PictureFile(order.workdir, InputRole.FIRST_FRAME), PictureFile(order.workdir, InputRole.REFERENCE))
    rendered = await made(provider, replace(order, settings=settings, inputs=files))
    body = next(each for each in service.asked if service.kind(each) == "create")
    sent = body.json
    assert body.query == {"fal_webhook": f"{CALLBACKS}/callbacks/fal/{order.key}"}
    assert sent.pop("image_url").startswith("data:image/png;base64,")
    assert [each[:10] for each in sent.pop("reference_image_urls")] == ["data:image"]
    assert sent == {
        "prompt": order.prompt,
        "duration": "1",
        "aspect_ratio": "9:16",
        "resolution": "1080p",
        "seed": 7,
        "negative_prompt": "fog",
        "generate_audio": False,
        "style": "film",
    }
    assert rendered.made.settings == settings
    assert rendered.made.metrics == {"inferenceSeconds": 3.7}


@pytest.mark.parametrize("seed", [None, 7], ids=["own seed", "seed of the user"])
async def test_request_whose_response_was_lost_is_found(
    service: FakeFal, provider: HostedProvider, order: Order, seed: int | None
) -> None:
    """On a later page of the history; by this process, and by another one after a crash."""
    service.lists_running = True
    asked = replace(order, settings=Settings(MODEL, seed=seed))
    await provider.submit(replace(asked, key="take_0", prompt="Another"))
    service.fault("create", done=True)
    found = await provider.submit(asked)
    assert parsed(found).job == "maker/kling/requests/job-2"
    another = service.provider()
    assert await another.submit(replace(asked, fresh=False)) == found
    assert len(service.jobs) == 2
    await another.close()


async def test_request_that_the_history_does_not_list_yet_is_not_bought_again(
    service: FakeFal, provider: HostedProvider, order: Order
) -> None:
    """Nor by a retry; a regenerate finds it once it is listed, and uses its clip."""
    service.fault("create", done=True)
    lost = await failure(provider, order)
    assert (lost.code, lost.retryable, lost.unsettled) == ("PURCHASE_UNKNOWN", False, True)
    again = await failure(provider, replace(order, fresh=False))
    assert again.code == "PURCHASE_UNKNOWN"
    (job,) = service.jobs.values()
    job.status = "done"
    earlier = EarlierOrder(order.key, 1, None, order.started_at)
    await made(provider, replace(order, key="take_2", unsettled=(earlier,)))
    assert (len(service.jobs), service.counts["create"]) == (1, 1)


async def test_order_is_not_bought_while_the_history_cannot_be_read(
    service: FakeFal, provider: HostedProvider, order: Order
) -> None:
    """Such as with a key that may not read it."""
    service.fault("list", Reply(403, {"detail": "This key has no such scope"}), times=10)
    lost = await failure(provider, replace(order, fresh=False))
    assert (lost.code, lost.retryable, lost.unsettled) == ("PURCHASE_UNKNOWN", False, True)
    assert service.counts["create"] == 0


async def test_order_is_not_bought_again_while_its_model_cannot_be_read(service: FakeFal, order: Order) -> None:
    """A dead process may have bought it; only what certainly was not bought is retried."""
    service.fault("models", times=10_000)
    provider = service.provider(BRIEF)
    lost = await failure(provider, replace(order, fresh=False))
    assert (lost.code, lost.retryable, lost.unsettled) == ("PURCHASE_UNKNOWN", False, True)
    new = await failure(provider, order)
    assert (new.code, new.retryable, new.unsettled) == ("PROVIDER_UNAVAILABLE", True, False)
    await provider.close()


async def test_newest_of_requests_alike_is_that_of_the_order(
    service: FakeFal, provider: HostedProvider, order: Order
) -> None:
    """An earlier take with the same seed of the user has failed."""
    service.lists_running = True
    asked = replace(order, settings=Settings(MODEL, seed=7))
    await provider.submit(replace(asked, key="take_0"))
    service.fault("create", done=True)
    assert parsed(await provider.submit(asked)).job == "maker/kling/requests/job-2"


async def test_request_with_files_and_a_seed_of_the_user_is_not_recognised(
    service: FakeFal, provider: HostedProvider, order: Order
) -> None:
    """It may be that of another picture with the same prompt."""
    service.lists_running = True
    asked = replace(
        order,
        settings=Settings(MODEL, seed=7),
        inputs=(PictureFile(order.workdir, InputRole.FIRST_FRAME),),
    )
    await provider.submit(replace(asked, key="take_0"))
    service.fault("create", done=True)
    lost = await failure(provider, asked)
    assert (lost.code, lost.retryable, lost.unsettled) == ("PURCHASE_UNKNOWN", False, True)


async def test_request_of_a_model_without_a_seed_is_found_by_its_input(
    service: FakeFal, provider: HostedProvider, order: Order
) -> None:
    """One with another prompt is not."""
    service.lists_running = True
    asked = replace(order, settings=Settings(UNSEEDED))
    await provider.submit(replace(asked, key="take_0", prompt="Another"))
    service.fault("create", done=True)
    assert parsed(await provider.submit(asked)).job == "maker/unseeded/requests/job-2"
    assert len(service.jobs) == 2


async def test_result_that_is_refused_fails_the_order(service: FakeFal, provider: HostedProvider, order: Order) -> None:
    """It is asked for once: the request has come to its end."""
    service.end, service.error = "refused", "The content could not be processed because it was flagged"
    refused = await failure(provider, order)
    assert (refused.code, refused.retryable) == ("MODERATED", False)
    assert service.counts["result"] == 1


async def test_canceled_request_ends_the_follow_of_another_process(
    service: FakeFal, provider: HostedProvider, order: Order
) -> None:
    """A cancel of one that is finished is ignored."""
    provider_id = await provider.submit(order)
    await service.provider().cancel(provider_id)
    with pytest.raises(Failure) as caught:
        await all_of(provider.follow(order, provider_id))
    assert (caught.value.code, caught.value.retryable) == ("CANCELED", False)
    await provider.cancel(provider_id)
    assert service.counts["cancel"] == 2


async def test_next_take_is_retried_when_the_request_of_a_take_out_of_time_is_canceled(
    service: FakeFal, provider: HostedProvider, order: Order
) -> None:
    """It was still running when the next take looked for it."""
    first = await provider.submit(order)
    again = replace(order, key="take_2", unsettled=(EarlierOrder(order.key, 1, first),))
    assert await provider.submit(again) == first
    await service.provider().cancel(first)
    with pytest.raises(Failure) as caught:
        await all_of(provider.follow(again, first))
    assert (caught.value.code, caught.value.retryable) == ("PREDICTION_TIMEOUT", True)


async def test_submission_that_is_refused_buys_nothing(
    service: FakeFal, provider: HostedProvider, order: Order
) -> None:
    """By its status, or because the model has no place for what is asked."""
    service.fault("create", Reply(422, {"detail": [{"loc": ["body"], "msg": "field required", "type": "missing"}]}))
    assert (await failure(provider, order)).code == "INVALID_INPUT"
    refused = await failure(provider, replace(order, key="take_2", settings=Settings(MODEL, "1:1")))
    assert (refused.code, refused.retryable, len(service.jobs)) == ("INVALID_INPUT", False, 0)


async def test_only_callbacks_with_a_signature_of_fal_are_accepted(service: FakeFal, provider: HostedProvider) -> None:
    """A forged or old one is not, nor one without a signature, nor one with another body."""
    body = json.dumps({"request_id": "job-1", "status": "OK"}).encode()
    signed = service.signed(body)
    forged = signed | {"x-fal-webhook-signature": "00" * 64}
    nothing: dict[str, str] = {}
    cases = [
        (signed, body),
        (forged, body),
        (service.signed(body, age_seconds=400), body),
        (nothing, body),
        (signed, b"{}"),
    ]
    assert [await provider.signed(headers, content) for headers, content in cases] == [True, *[False] * 4]


async def test_callback_does_not_wait_long_for_keys_that_cannot_be_read(
    service: FakeFal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can send one."""
    monkeypatch.setattr(webhooks, "KEYS_SECONDS", 0.05)
    service.fault("keys", times=10_000)
    provider = service.provider(replace(QUICK, give_up_after=3600.0), callbacks=CALLBACKS)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        assert not await provider.signed(service.signed(b"{}"), b"{}")
    await provider.close()


async def test_callback_wakes_the_poll_of_its_order(service: FakeFal, order: Order) -> None:
    """The next one would come in an hour."""
    provider = service.provider(replace(QUICK, poll=3600.0))
    steps = provider.follow(order, await provider.submit(order))
    async with asyncio.timeout(TIMEOUT_SECONDS), aclosing(steps):
        for _ in range(3):
            await anext(steps)
            provider.on_callback(order.key, {"request_id": "job-1"})
    await provider.close()


@pytest.mark.parametrize(
    ("response_url", "expected"),
    [
        ("https://queue.fal.run/maker/kling/requests/a-1", "maker/kling/requests/a-1"),
        ("https://elsewhere.test/maker/kling/requests/a-1/../../x", "maker/kling/requests/b-2"),
        ("https://[", "maker/kling/requests/b-2"),
        (None, "maker/kling/requests/b-2"),
    ],
    ids=["given", "strange", "no address", "none"],
)
def test_id_of_a_request_is_its_path(response_url: str | None, expected: str) -> None:
    """As in fal's response; only the path is used, on the address of the queue."""
    assert job_id_of("maker/kling/v2", "b-2", response_url) == expected
    assert job_id_of("maker/kling/v2", "../x", None) is None
    assert not is_job_id("../kling/requests/x")
