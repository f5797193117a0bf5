"""What a take is ordered with, what it keeps of how it was made, and orders whose model has changed meanwhile."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from providers.catalogue import InputRole, Model, Resolution, Settings, any_model
from providers.port import Cost, Failure, Made, Order, Progress, Provider, Rendered
from providers.sample import sample
from tests.support import jobs
from tests.support.asking import SETTINGS
from tests.support.client import Json
from tests.support.fake_providers import Fake, Follow
from tests.support.queries import read_scene
from tests.support.renders import single_provider
from tests.support.server_app import App, running

pytestmark = pytest.mark.both_databases

MADE = f"settings {SETTINGS} inputs {{ role atSeconds take {{ id }} }} ignored cost {{ amount currency }} metrics"


@pytest.fixture(autouse=True)
def use_database(database: None) -> None:
    """Parametrize every test with its database."""


class Shop(Fake):
    """A provider whose models a test changes, and which keeps its orders."""

    def __init__(self, follow: Follow | None = None, *models: Model) -> None:
        super().__init__(follow)
        self.on_offer: Sequence[Model] = models or (any_model("wide"), any_model("tall"))
        self.orders: list[Order] = []

    async def models(self) -> Sequence[Model]:
        """Return what is on offer now."""
        return self.on_offer

    async def submit(self, order: Order) -> str:
        """Keep the order."""
        self.orders.append(order)
        return await super().submit(order)


class Older:
    """A provider of another package that is older than the catalogue."""

    name = "fake"

    def __init__(self) -> None:
        fake = Fake()
        self.submit, self.follow, self.cancel, self.close = fake.submit, fake.follow, fake.cancel, fake.close


async def _takes(app: App, scene_id: str) -> list[Json]:
    return (await read_scene(app, scene_id, f"takes {{ id status failure {{ code message retryable }} {MADE} }}"))[
        "takes"
    ]


async def _rendered(app: App, *scenes: Json, **fields: Any) -> jobs.Made:
    made = await jobs.make(app, *scenes, **{"provider": "fake", "start": True, **fields})
    await jobs.settled(app, made.id)
    return made


async def test_take_keeps_what_it_was_really_made_with(tmp_path: Path) -> None:
    """What the provider reports takes precedence over the request; later settings of scene and job change nothing."""
    reported = Made(
        Settings(seed=4_294_967_295),
        ignored=("negativePrompt",),
        cost=Cost(Decimal("0.350"), "USD"),
        metrics={"predictSeconds": 41.5},
    )

    async def make(order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        yield replace(sample().write(order.workdir), made=reported)

    shop = Shop(make)
    async with running(tmp_path, single_provider(shop)) as app:
        settings = {"resolution": "P720", "negativePrompt": "rain"}
        own = {"model": "fake/tall", "aspectRatio": "9:16", "options": {"steps": 3}}
        draft = await jobs.make(app, {"prompt": "A kite", "settings": own}, provider="fake", settings=settings)
        (unstarted,) = await _takes(app, draft.scenes[0])
        assert unstarted["settings"]["model"] is None
        assert (unstarted["settings"]["options"], unstarted["ignored"], unstarted["metrics"]) == ({}, [], {})
        await jobs.change(app, "startJob", jobId=draft.id)
        await jobs.settled(app, draft.id)
        assert shop.orders[0].settings == Settings(
            "tall", "9:16", Resolution.P720, negative_prompt="rain", options={"steps": 3}
        )
        expected = {**dict.fromkeys(("seed", "audio")), **settings, **own, "seed": 4_294_967_295}
        (take,) = await _takes(app, draft.scenes[0])
        assert take["settings"] == expected
        assert (take["ignored"], take["metrics"]) == (["negativePrompt"], {"predictSeconds": 41.5})
        assert take["cost"] == {"amount": "0.350", "currency": "USD"}
        await jobs.change(app, "updateScene", sceneId=draft.scenes[0], settings={"seed": 1, "model": None})
        await jobs.change(app, "updateJob", jobId=draft.id, settings={"resolution": None, "audio": True})
        shop.on_offer = (any_model("other"),)
        assert await _takes(app, draft.scenes[0]) == [take]


@pytest.mark.sqlite_alone
async def test_what_cannot_be_stored_is_left_out(tmp_path: Path) -> None:
    """A provider of another package may report anything; the clip is used all the same."""
    reported = Made(Settings(options={"a": "x" * 20_000}), metrics={"when": object()})

    async def make(order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        yield replace(sample().write(order.workdir), made=reported)

    async with running(tmp_path, single_provider(Shop(make))) as app:
        made = await _rendered(app, {"prompt": "A kite", "settings": {"seed": 5}})
        (take,) = await _takes(app, made.scenes[0])
        assert (take["status"], take["settings"]["seed"], take["settings"]["options"]) == ("COMPLETED", 5, {})
        assert take["metrics"] == {}


@pytest.mark.sqlite_alone
async def test_provider_without_a_catalogue_has_one_model(tmp_path: Path) -> None:
    """Which takes no more than a prompt; settings that it does not support are listed separately."""
    async with running(tmp_path, single_provider(cast("Provider", Older()))) as app:
        made = await _rendered(app, {"prompt": "A kite", "settings": {"aspectRatio": "1:1", "audio": False}})
        (take,) = await _takes(app, made.scenes[0])
        assert (take["settings"]["model"], take["ignored"]) == ("fake/default", ["aspectRatio"])
        refused = await app.mutate(
            "createJob",
            "errors { path }",
            title="One",
            provider="fake",
            scenes=[{"prompt": "A kite", "settings": {"seed": 1}}],
        )
        assert refused["errors"] == [{"path": ["input", "scenes", "0", "settings", "seed"]}]


async def test_model_that_is_gone_fails_the_take_before_it_is_ordered(tmp_path: Path) -> None:
    """Not retryably; a batch that regenerates it says so for each scene, and a retry that waits is not ordered."""
    failing = Failure("BUSY", "Come again.", retryable=True)

    async def fail(_order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        shop.on_offer = (any_model("tall"),)
        raise failing
        yield Progress()

    shop = Shop(fail)
    async with running(tmp_path, single_provider(shop)) as app:
        made = await _rendered(app, {"prompt": "A kite", "settings": {"model": "fake/wide", "seed": 1}})
        gone, retried = await _takes(app, made.scenes[0])
        assert (retried["failure"]["code"], gone["failure"]["code"]) == ("BUSY", "NOT_SUPPORTED")
        assert gone["failure"]["message"] == "The provider fake has no such model. (settings.model of fake/wide)"
        assert not gone["failure"]["retryable"]
        assert gone["settings"]["seed"] == 1
        assert len(shop.orders) == 1
        errors = "errors { __typename code path ... on NotSupportedError { model alternatives { id } } }"
        for dry_run in (True, False):
            payload = await app.mutate(
                "regenerateScenes",
                f"results {{ {errors} }} {errors}",
                jobId=made.id,
                sceneIds=made.scenes,
                dryRun=dry_run,
            )
            assert payload["results"][0]["errors"] == [
                {
                    "__typename": "NotSupportedError",
                    "code": "NOT_SUPPORTED",
                    "path": ["input", "sceneIds", "0"],
                    "model": "fake/wide",
                    "alternatives": [{"id": "fake/tall"}],
                }
            ]


async def test_retry_is_ordered_with_the_settings_of_then(tmp_path: Path) -> None:
    """They can be changed while the take before is being made; that one keeps its own."""
    begun, changed = asyncio.Event(), asyncio.Event()

    async def fail_once(order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        if order.number == 1:
            begun.set()
            await changed.wait()
            raise Failure("BUSY", "Come again.", retryable=True)
        yield sample().write(order.workdir)

    shop = Shop(fail_once)
    async with running(tmp_path, single_provider(shop)) as app:
        made = await jobs.make(app, {"prompt": "A kite", "settings": {"seed": 1}}, provider="fake", start=True)
        await begun.wait()
        await jobs.change(app, "updateScene", sceneId=made.scenes[0], settings={"seed": 2})
        changed.set()
        await jobs.settled(app, made.id)
        assert [order.settings.seed for order in shop.orders] == [1, 2]
        assert [take["settings"]["seed"] for take in await _takes(app, made.scenes[0])] == [2, 1]


async def test_clip_of_an_earlier_order_counts_only_for_the_same_settings(tmp_path: Path) -> None:
    """An order that was not settled is offered to the next take if nothing else is asked."""

    async def lose(_order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        raise Failure("LOST", "Its clip may exist.", retryable=False, unsettled=True)
        yield Progress()

    shop = Shop(lose)
    async with running(tmp_path, single_provider(shop)) as app:
        made = await _rendered(app, {"prompt": "A kite", "settings": {"seed": 1}})
        for settings in ({}, {"seed": 2}, {"seed": 1}):
            await jobs.change(app, "regenerateScene", sceneId=made.scenes[0], settings=settings)
            await jobs.settled(app, made.id)
        assert [[each.number for each in order.unsettled] for order in shop.orders] == [[], [1], [], [2, 1]]


@pytest.mark.sqlite_alone
async def test_clip_is_made_from_a_picture_of_an_earlier_take(tmp_path: Path) -> None:
    """The provider gets the picture of the second that is asked for; without one, the last."""
    received: list[tuple[InputRole, str | None, str, int]] = []

    async def read(order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        for file in order.inputs:
            size = await asyncio.to_thread(os.path.getsize, await file.path())
            assert size == file.size_bytes
            received.append((file.role, file.name, file.content_type, size))
        yield sample().write(order.workdir)

    async with running(tmp_path, single_provider(Shop(read))) as app:
        first = await _rendered(app, {"prompt": "A kite"})
        (take,) = await _takes(app, first.scenes[0])
        inputs = [
            {"role": "FIRST_FRAME", "takeId": take["id"], "name": "kite"},
            {"role": "REFERENCE", "takeId": take["id"], "atSeconds": 0.5},
        ]
        second = await _rendered(app, {"prompt": "The kite lands", "inputs": inputs})
        (made,) = await _takes(app, second.scenes[0])
        assert made["status"] == "COMPLETED", made["failure"]
        assert [(role.value, name, kind) for role, name, kind, _ in received] == [
            ("FIRST_FRAME", "kite", "image/png"),
            ("REFERENCE", None, "image/png"),
        ]
        assert made["inputs"] == [
            {"role": "FIRST_FRAME", "atSeconds": None, "take": {"id": take["id"]}},
            {"role": "REFERENCE", "atSeconds": 0.5, "take": {"id": take["id"]}},
        ]
        await jobs.change(app, "updateScene", sceneId=second.scenes[0], inputs=None)
        assert (await read_scene(app, second.scenes[0], "inputs { role }"))["inputs"] == []
        assert (await _takes(app, second.scenes[0])) == [made]


@pytest.mark.sqlite_alone
async def test_order_that_exists_is_followed_although_its_input_is_gone(tmp_path: Path) -> None:
    """The clip is paid for: a restart fetches it, whatever has become of the files that it is made from."""
    begun, restarted = asyncio.Event(), asyncio.Event()

    async def wait(order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        if order.inputs:
            begun.set()
            await restarted.wait()
        yield sample().write(order.workdir)

    shop = Shop(wait)
    async with running(tmp_path, single_provider(shop)) as app:
        first = await _rendered(app, {"prompt": "A kite"})
        (take,) = await _takes(app, first.scenes[0])
        inputs = [{"role": "FIRST_FRAME", "takeId": take["id"]}]
        second = await jobs.make(app, {"prompt": "The kite lands", "inputs": inputs}, provider="fake", start=True)
        await begun.wait()
    await asyncio.to_thread(shutil.rmtree, tmp_path / "media" / first.id)
    restarted.set()
    async with running(tmp_path, single_provider(shop)) as app:
        await jobs.settled(app, second.id)
        (made,) = await _takes(app, second.scenes[0])
    assert (made["status"], made["failure"]) == ("COMPLETED", None)
    assert len(shop.orders) == 2


@pytest.mark.sqlite_alone
async def test_take_must_have_such_a_picture(tmp_path: Path) -> None:
    """It is completed, its clip is on this server, and as long as that."""
    async with running(tmp_path, single_provider(Shop())) as app:
        first = await _rendered(app, {"prompt": "A kite"})
        draft = await jobs.make(app, {"prompt": "A kite"}, provider="fake")
        (done,), (pending,) = await _takes(app, first.scenes[0]), await _takes(app, draft.scenes[0])
        cases: list[tuple[str, Json]] = [
            ("atSeconds", {"takeId": done["id"], "atSeconds": 1.5}),
            ("takeId", {"takeId": pending["id"]}),
        ]
        for place, given in cases:
            inputs = [{"role": "FIRST_FRAME", **given}]
            payload = await app.mutate("updateScene", "errors { code path }", sceneId=draft.scenes[0], inputs=inputs)
            assert payload["errors"] == [{"code": "VALIDATION_FAILED", "path": ["input", "inputs", "0", place]}]
