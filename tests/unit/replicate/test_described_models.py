"""Models of Replicate whose input is made by their own schema (provider `replicate`)."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from providers.catalogue import InputRole, Model, Resolution, Settings
from providers.port import EarlierOrder, Failure, Order, Rendered
from providers.replicate.provider import ReplicateProvider
from tests.support.described_replicate import OFFICIAL, TWIN, UNSEEDED, VERSIONED, DescribedReplicate
from tests.support.fake_service import Reply, running
from tests.support.input_files import PictureFile
from tests.support.orders import all_of, an_order, made
from tests.support.replicate import BRIEF, QUICK
from tests.support.waiting import TIMEOUT_SECONDS, eventually


class LargeFile(PictureFile):
    """A picture that is too large for a data URL; `address` is its signed one."""

    address: str | None = None

    def __init__(self, folder: Path, role: InputRole, address: str | None = None) -> None:
        super().__init__(folder, role)
        self.size_bytes = 300_000
        self.address = address

    async def url(self) -> str | None:
        """Return its address."""
        return self.address


@pytest.fixture
async def service() -> AsyncGenerator[DescribedReplicate]:
    service = DescribedReplicate()
    async with running(service):
        yield service


@pytest.fixture
async def provider(service: DescribedReplicate) -> AsyncGenerator[ReplicateProvider]:
    provider = service.provider()
    yield provider
    await provider.close()


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return an_order(tmp_path, duration_seconds=1.0, started_at=datetime.now(UTC))


async def known(provider: ReplicateProvider) -> list[Model]:
    """Return the models once all of them have been read or refused."""

    async def read() -> bool:
        reasons = [each.unavailable_reason or "" for each in await provider.models()]
        return not any("being read" in reason or "not respond" in reason for reason in reasons)

    await eventually(read)
    return list(await provider.models())


async def failure(provider: ReplicateProvider, order: Order) -> Failure:
    with pytest.raises(Failure) as caught:
        await provider.submit(order)
    return caught.value


async def test_models_are_not_available_until_their_schemas_are_read(
    service: DescribedReplicate, provider: ReplicateProvider
) -> None:
    """They answer at once, with the reason; a response that fails is asked for again."""
    service.fault("models", Reply(503, {"detail": "busy"}), times=2)
    first = await provider.models()
    assert [each.name for each in first] == [OFFICIAL, VERSIONED]
    assert [each.available for each in first] == [False, False]
    assert first[0].unavailable_reason == "It is being read from the service."
    assert [each.available for each in await known(provider)] == [True, True]


async def test_wrong_token_makes_the_models_unavailable_and_buys_nothing(
    service: DescribedReplicate, order: Order
) -> None:
    """The reason does not show the token; an order fails at once, and not retryably."""
    provider = service.provider(token="a wrong token")
    models = await known(provider)
    assert [each.available for each in models] == [False, False]
    assert (models[0].unavailable_reason or "").startswith("Replicate does not accept this server's token")
    refused = await failure(provider, order)
    assert (refused.code, refused.retryable) == ("UNAUTHORIZED", False)
    assert "a wrong token" not in refused.message
    assert service.jobs == {}
    await provider.close()


@pytest.mark.parametrize("fresh", [True, False], ids=["new order", "order of a dead process"])
async def test_schema_that_cannot_be_read_fails_the_order_retryably(
    service: DescribedReplicate, order: Order, *, fresh: bool
) -> None:
    """This process bought nothing; the next take looks for what a dead one may have bought."""
    service.fault("models", times=10_000)
    provider = service.provider(BRIEF)
    refused = await failure(provider, replace(order, fresh=fresh))
    assert (refused.code, refused.retryable, refused.unsettled) == ("PROVIDER_UNAVAILABLE", True, not fresh)
    assert service.counts["create"] == 0
    await provider.close()


async def test_prediction_is_created_with_the_settings_and_files_of_its_order(
    service: DescribedReplicate, provider: ReplicateProvider, order: Order
) -> None:
    """A small file is sent inline, a large one at its signed address, or uploaded."""
    files = (
        PictureFile(order.workdir, InputRole.FIRST_FRAME),
        LargeFile(order.workdir, InputRole.LAST_FRAME, "https://scenewire.test/signed"),
        LargeFile(order.workdir, InputRole.REFERENCE),
    )
    settings = Settings(OFFICIAL, "9:16", Resolution.P1080, 7, options={"camera_fixed": True})
    rendered = await made(provider, replace(order, settings=settings, inputs=files))
    (body,) = service.bodies("create")
    assert body["version"] == OFFICIAL
    image = body["input"].pop("image")
    assert image.startswith("data:image/png;base64,")
    assert body["input"] == {
        "prompt": order.prompt,
        "duration": 1,
        "aspect_ratio": "9:16",
        "resolution": "1080p",
        "seed": 7,
        "camera_fixed": True,
        "last_frame": "https://scenewire.test/signed",
        "reference_images": [f"{service.origin}/v1/files/file-1"],
    }
    upload = next(each for each in service.asked if service.kind(each) == "upload")
    assert await files[2].path() is not None
    assert (await files[2].path()).read_bytes() in upload.body
    assert rendered.made.settings == settings
    assert rendered.made.metrics == {"predictSeconds": 12.5}


async def test_version_of_a_model_is_described_and_ordered_by_its_id(
    service: DescribedReplicate, provider: ReplicateProvider, order: Order
) -> None:
    """The seed that was used is reported, also when the user chose none; a ratio that it does not know is not."""
    rendered = await made(provider, replace(order, settings=Settings(VERSIONED, "16:9")))
    (body,) = service.bodies("create")
    assert body["version"] == VERSIONED
    assert rendered.made.settings == Settings(VERSIONED, "16:9", seed=body["input"]["seed"])
    assert rendered.made.ignored == ("aspectRatio",)


@pytest.mark.parametrize("seed", [None, 7], ids=["own seed", "seed of the user"])
async def test_prediction_is_found_after_a_crash_or_a_lost_response(
    service: DescribedReplicate, provider: ReplicateProvider, order: Order, seed: int | None
) -> None:
    """By its seed, or by its whole input when the user chose the seed; one of another model with it is not."""
    asked = replace(order, settings=Settings(OFFICIAL, seed=seed))
    other = await provider.submit(replace(order, key="take_2", settings=Settings(VERSIONED, seed=seed), fresh=True))
    service.fault("create", done=True)
    found = await provider.submit(asked)
    assert found != other
    another = service.provider()
    assert await another.submit(asked) == found
    assert len(service.jobs) == 2
    await another.close()


async def test_prediction_of_another_model_is_not_taken_for_the_same_input(
    service: DescribedReplicate, order: Order
) -> None:
    """Neither in a search by the input, nor as one of an earlier order."""
    bought: list[str] = []
    for number, model in enumerate((OFFICIAL, TWIN, TWIN)):
        provider = service.provider(names=(OFFICIAL, TWIN))
        earlier = tuple(EarlierOrder("take_0", 1, each) for each in bought)
        asked = replace(order, key=f"take_{number}", settings=Settings(model, seed=7), unsettled=earlier)
        bought.append(await provider.submit(asked))
        await provider.close()
    assert bought == ["job-1", "job-2", "job-2"]


async def test_earlier_prediction_is_used_only_for_the_same_input(
    service: DescribedReplicate, provider: ReplicateProvider, order: Order
) -> None:
    """Its model, length and settings, without its own seed."""
    first = await provider.submit(replace(order, fresh=True))
    later = replace(order, key="take_2", fresh=True, unsettled=(EarlierOrder("take_1", 1, first),))
    assert await provider.submit(later) == first
    for number, changes in enumerate(({"duration_seconds": 2.0}, {"settings": Settings(aspect_ratio="9:16")})):
        assert await provider.submit(replace(later, key=f"take_{3 + number}", **changes)) != first
    assert len(service.jobs) == 3


async def test_clip_does_not_wait_long_for_the_schema_of_its_model(
    service: DescribedReplicate, provider: ReplicateProvider, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes precedence over the request of the take; what its prediction reports is stored."""
    monkeypatch.setattr("providers.hosted.reading.SOON_SECONDS", 0.05)
    provider_id = await provider.submit(replace(order, settings=Settings(OFFICIAL, seed=7)))
    service.fault("models", times=10_000)
    another = service.provider(replace(QUICK, give_up_after=3600.0))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        rendered = (await all_of(another.follow(order, provider_id)))[-1]
    assert isinstance(rendered, Rendered)
    assert rendered.made.metrics == {"predictSeconds": 12.5}
    await another.close()


async def test_model_without_a_seed_needs_callbacks(service: DescribedReplicate, order: Order) -> None:
    """A paid clip could not be found again after a crash."""
    for callbacks, available in (("", False), ("https://scenewire.test", True)):
        provider = service.provider(callbacks=callbacks, names=(UNSEEDED,))
        (model,) = await known(provider)
        assert model.available == available
        if not available:
            assert "it takes no seed" in (model.unavailable_reason or "")
            assert (await failure(provider, order)).code == "MODEL_UNUSABLE"
        await provider.close()
    assert service.jobs == {}


async def test_model_that_is_not_configured_any_more_fails_the_order(
    service: DescribedReplicate, provider: ReplicateProvider, order: Order
) -> None:
    """Another model is not taken instead."""
    refused = await failure(provider, replace(order, settings=Settings("maker/gone")))
    assert (refused.code, refused.retryable) == ("NOT_FOUND", False)
    assert service.jobs == {}


async def test_what_the_model_cannot_do_is_refused_before_it_is_bought(
    service: DescribedReplicate, provider: ReplicateProvider, order: Order
) -> None:
    """Such as a length, after the schema has changed."""
    assert (await failure(provider, replace(order, duration_seconds=3.0, fresh=True))).code == "INVALID_INPUT"
    assert service.jobs == {}
