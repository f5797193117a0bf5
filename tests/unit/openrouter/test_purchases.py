"""Orders are bought once at OpenRouter, which has no idempotency keys, no list of jobs and no cancel."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from providers.catalogue import AudioSupport, InputRole, Model, Resolution, Settings
from providers.hosted.provider import HostedProvider
from providers.port import Cost, EarlierOrder, Failure, Order
from tests.support.fake_service import Reply, running
from tests.support.input_files import PictureFile
from tests.support.openrouter import CALLBACKS, PLAIN, VEO, FakeOpenRouter
from tests.support.orders import all_of, an_order, made
from tests.support.replicate import BRIEF, QUICK
from tests.support.waiting import eventually


@pytest.fixture
async def service() -> AsyncGenerator[FakeOpenRouter]:
    service = FakeOpenRouter()
    async with running(service):
        yield service


@pytest.fixture
async def provider(service: FakeOpenRouter) -> AsyncGenerator[HostedProvider]:
    provider = service.provider(callbacks=CALLBACKS)
    yield provider
    await provider.close()


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return an_order(tmp_path, duration_seconds=1.0, fresh=True)


async def known(provider: HostedProvider) -> list[Model]:
    async def read() -> bool:
        return "being read" not in ((await provider.models())[0].unavailable_reason or "")

    await eventually(read)
    return list(await provider.models())


async def failure(provider: HostedProvider, order: Order) -> Failure:
    with pytest.raises(Failure) as caught:
        await made(provider, order)
    return caught.value


async def test_models_are_those_that_openrouter_lists(service: FakeOpenRouter, provider: HostedProvider) -> None:
    """With what they can do; one that is configured and not listed is not available."""
    veo, plain = await known(provider)
    assert veo == Model(
        VEO,
        1.0,
        8.0,
        durations_seconds=(1.0, 2.0, 4.0, 8.0),
        aspect_ratios=("16:9", "9:16"),
        resolutions=(Resolution.P720, Resolution.P1080, Resolution.P2160),
        roles=(InputRole.FIRST_FRAME, InputRole.LAST_FRAME, InputRole.REFERENCE),
        max_references=16,
        exclusive=tuple(
            frozenset((role, InputRole.REFERENCE)) for role in (InputRole.FIRST_FRAME, InputRole.LAST_FRAME)
        ),
        seed=True,
        audio=AudioSupport.OPTIONAL,
        options_schema=veo.options_schema,
        defaults=Settings(VEO, audio=True),
    )
    assert "personGeneration" in json.dumps(veo.options_schema)
    assert (plain.name, plain.durations_seconds, plain.seed) == (PLAIN, None, False)
    chosen = service.provider(names=["maker/gone", VEO])
    assert [(each.name, each.available) for each in await known(chosen)] == [("maker/gone", False), (VEO, True)]
    await chosen.close()


async def test_order_is_bought_with_its_settings_and_its_price_is_reported(
    service: FakeOpenRouter, provider: HostedProvider, order: Order
) -> None:
    """The callback ends in the order's key; options go to the maker."""
    options = {"provider": {"options": {"maker": {"parameters": {"personGeneration": "allow"}}}}}
    settings = Settings(VEO, "9:16", Resolution.P2160, 7, audio=False, options=options)
    files = tuple(PictureFile(order.workdir, role) for role in (InputRole.FIRST_FRAME, InputRole.LAST_FRAME))
    rendered = await made(provider, replace(order, settings=settings, inputs=files))
    (body,) = service.bodies("create")
    frames = body.pop("frame_images")
    assert [frame["frame_type"] for frame in frames] == ["first_frame", "last_frame"]
    assert all(frame["image_url"]["url"].startswith("data:image/png;base64,") for frame in frames)
    assert body == {
        "model": VEO,
        "prompt": order.prompt,
        "duration": 1,
        "aspect_ratio": "9:16",
        "resolution": "4K",
        "seed": 7,
        "generate_audio": False,
        "provider": options["provider"],
        "callback_url": f"{CALLBACKS}/callbacks/openrouter/{order.key}",
    }
    assert rendered.made.cost == Cost(Decimal("0.35"), "USD")
    assert rendered.made.settings == settings


async def test_seed_that_was_used_is_reported_and_none_where_the_model_takes_none(
    service: FakeOpenRouter, provider: HostedProvider, order: Order
) -> None:
    """Each take has its own."""
    rendered = await made(provider, order)
    assert rendered.made.settings == Settings(seed=service.bodies("create")[0]["seed"])
    plain = await made(provider, replace(order, key="take_2", settings=Settings(PLAIN)))
    assert plain.made.settings == Settings(PLAIN)


async def test_job_that_is_paid_for_keeps_its_id_when_its_model_is_gone(
    service: FakeOpenRouter, provider: HostedProvider, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list was read again while the job was created."""

    async def gone(_: Order) -> str:
        raise Failure("NOT_FOUND", "OpenRouter does not list the model.", retryable=False)

    monkeypatch.setattr(provider._client, "print_of", gone)  # pyright: ignore[reportPrivateUsage]
    assert await provider.submit(order) in service.jobs


@pytest.mark.parametrize(
    "settings", [Settings(PLAIN, audio=True), Settings(PLAIN, options={"x": 1})], ids=["sound", "option"]
)
async def test_what_the_model_does_not_take_is_not_dropped(
    service: FakeOpenRouter, provider: HostedProvider, order: Order, settings: Settings
) -> None:
    """Such as after the list has changed."""
    refused = await failure(provider, replace(order, settings=settings))
    assert (refused.code, refused.retryable, service.counts["create"]) == ("INVALID_INPUT", False, 0)


@pytest.mark.parametrize("done", [True, False], ids=["bought", "not bought"])
async def test_creation_without_a_response_is_not_repeated(
    service: FakeOpenRouter, provider: HostedProvider, order: Order, done: bool
) -> None:
    """It cannot be found out whether it was bought: only a person may buy another."""
    service.fault("create", done=done)
    lost = await failure(provider, order)
    assert (lost.code, lost.retryable, lost.unsettled) == ("PURCHASE_UNKNOWN", False, True)
    assert service.counts["create"] == 1
    regenerated = replace(order, key="take_2", unsettled=(EarlierOrder(order.key, 1, None),))
    await made(provider, regenerated)
    assert service.counts["create"] == 2


async def test_creation_that_certainly_had_no_effect_is_repeated(
    service: FakeOpenRouter, provider: HostedProvider, order: Order
) -> None:
    """Status 429 buys nothing."""
    service.fault("create", Reply(429, {"error": {"code": 429, "message": "Rate limited"}}), times=3)
    await made(provider, order)
    assert (service.counts["create"], len(service.jobs)) == (4, 1)


async def test_order_that_another_process_may_have_bought_is_not_bought(
    service: FakeOpenRouter, provider: HostedProvider, order: Order
) -> None:
    """That process died before it stored the id, or before it bought anything."""
    lost = await failure(provider, replace(order, fresh=False))
    assert (lost.code, lost.retryable, lost.unsettled) == ("PURCHASE_UNKNOWN", False, True)
    assert service.counts["create"] == 0


async def test_earlier_job_is_used_if_it_asked_for_the_same(service: FakeOpenRouter, order: Order) -> None:
    """Its own seed apart; one that failed, is unknown, or has another length is not used."""
    # An unknown one is asked for again for a tenth of this.
    provider = service.provider(replace(QUICK, refusals=1.0))
    first = await provider.submit(order)
    later = replace(order, key="take_2", unsettled=(EarlierOrder(order.key, 1, first),))
    assert await provider.submit(later) == first
    assert await provider.submit(replace(later, key="take_3", duration_seconds=2.0)) != first
    unknown = (EarlierOrder(order.key, 1, "job-99~000000000000"), EarlierOrder(order.key, 1, "job-99"))
    assert await provider.submit(replace(later, key="take_4", unsettled=unknown)) != first
    service.end, service.error = "failed", "CUDA out of memory"
    await failure(provider, replace(order, key="take_5"))
    failed = (EarlierOrder("take_5", 5, await provider.submit(replace(order, key="take_5"))),)
    assert await provider.submit(replace(later, key="take_6", unsettled=failed)) != failed[0].provider_id
    await provider.close()


@pytest.mark.parametrize(
    ("status", "error", "code", "retryable"),
    [
        ("failed", "Content policy violation", "MODERATED", False),
        ("failed", "duration must be one of 4, 6, 8", "INVALID_INPUT", False),
        ("failed", None, "PREDICTION_FAILED", True),
        ("cancelled", "Job was cancelled", "CANCELED", False),
        ("expired", "Job exceeded maximum time to live", "PREDICTION_TIMEOUT", True),
    ],
    ids=["moderated", "invalid", "unknown", "cancelled", "expired"],
)
async def test_job_that_fails_says_why(
    service: FakeOpenRouter, provider: HostedProvider, order: Order, status: str, error: str, code: str, retryable: bool
) -> None:
    """By the class of its reason."""
    service.end, service.error = status, error
    failed = await failure(provider, order)
    assert (failed.code, failed.retryable) == (code, retryable)


async def test_refusal_buys_nothing_and_does_not_show_the_token(service: FakeOpenRouter, order: Order) -> None:
    """Neither in the failure nor in the reason of the catalogue."""
    provider = service.provider(token="a wrong token")
    models = await known(provider)
    refused = await failure(provider, order)
    assert (refused.code, refused.retryable, refused.unsettled) == ("UNAUTHORIZED", False, False)
    assert (models[0].available, len(service.jobs)) == (False, 0)
    assert "a wrong token" not in refused.message + (models[0].unavailable_reason or "")
    await provider.close()


async def test_poll_of_a_job_that_is_paid_for_outlasts_errors(
    service: FakeOpenRouter, provider: HostedProvider, order: Order
) -> None:
    """Errors of the server, cut connections, and single refusals."""
    for reply in (None, Reply(500, {}), Reply(401, {"error": {"message": "No"}}), Reply(404, {"error": "Not found"})):
        service.fault("get", reply)
    service.fault("download", Reply(502, {}))
    await made(provider, order)
    assert len(service.jobs) == 1


async def test_job_that_is_refused_for_too_long_is_given_up_unsettled(service: FakeOpenRouter, order: Order) -> None:
    """A regenerate looks for it first."""
    provider = service.provider(BRIEF)
    provider_id = await provider.submit(order)
    service.fault("get", Reply(403, {"error": {"message": "No"}}), times=1000)
    with pytest.raises(Failure) as caught:
        await all_of(provider.follow(order, provider_id))
    assert (caught.value.code, caught.value.retryable, caught.value.unsettled) == ("FORBIDDEN", False, True)
    await provider.close()


async def test_redirect_to_a_private_address_is_refused(service: FakeOpenRouter, order: Order) -> None:
    """The token is sent to no other host, and this server requests nothing on its own network."""
    provider = service.provider(BRIEF)
    service.fault("download", Reply(302, {}, {"location": "https://127.0.0.1:1/clip.mp4"}), times=1000)
    assert (await failure(provider, order)).code == "OUTPUT_REFUSED"
    await provider.close()
