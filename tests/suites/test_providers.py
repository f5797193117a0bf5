"""What every dispatched provider promises."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from providers.port import MOST_PICTURE_BYTES, Failure, Order, Progress, Provider, Rendered
from providers.scripted import ScriptedProvider
from tests.support.media_files import boxes, probe, seconds_of
from tests.support.orders import Subject, a_long_order, all_of, an_order, drained, made, small_local
from tests.support.os_processes import children_cpu_seconds, children_of, on_linux
from tests.support.replicate import FakeReplicate

# Of CPU time, which does not depend on what else the machine does; the whole order takes several times as much.
CPU_SECONDS_TO_STOP = 1.0
NAMES = ("local", "scripted", "replicate")


@pytest.fixture(scope="module")
def replicate() -> Generator[FakeReplicate]:
    fake = FakeReplicate()
    yield fake
    fake.stop()


@pytest.fixture(params=NAMES)
async def make(request: pytest.FixtureRequest) -> AsyncGenerator[Callable[[], Subject]]:
    makers: dict[str, Callable[[], Subject]] = {"local": small_local, "scripted": ScriptedProvider}
    if request.param == "replicate":
        fake: FakeReplicate = request.getfixturevalue("replicate")
        fake.command("reset")
        makers["replicate"] = fake.provider
    made: list[Subject] = []

    def make() -> Subject:
        made.append(makers[request.param]())
        return made[-1]

    yield make
    for provider in made:
        await provider.close()


@pytest.fixture
def provider(make: Callable[[], Subject]) -> Subject:
    return make()


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return an_order(tmp_path)


def test_each_is_a_provider(provider: Subject) -> None:
    """Each implementation has the port's shape, which the type checker compares."""
    port: Provider = provider
    assert port.name in NAMES


async def test_progress_leads_to_one_rendered_clip(provider: Subject, order: Order) -> None:
    """Every step but the last is progress, the last one is the result."""
    steps = await all_of(provider.follow(order, await provider.submit(order)))
    assert [type(step) for step in steps] == [Progress] * (len(steps) - 1) + [Rendered]
    assert len(steps) > 2


async def test_progress_never_falls_and_stays_within_its_bounds(provider: Subject, order: Order) -> None:
    """Fractions grow from 0 to 1, and no step of the longer kind is larger than a tenth."""
    steps = await all_of(provider.follow(order, await provider.submit(order)))
    fractions = [step.fraction for step in steps if isinstance(step, Progress) and step.fraction is not None]
    assert fractions == sorted(fractions)
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert max(after - before for before, after in pairwise([0, *fractions, 1])) <= 0.1 + 1e-9


async def test_frames_are_small_webp_images(provider: Subject, order: Order) -> None:
    """A live frame is small enough to be pushed to every viewer."""
    steps = await all_of(provider.follow(order, await provider.submit(order)))
    frames = [step.frame for step in steps if isinstance(step, Progress) and step.frame is not None]
    assert frames
    assert all(frame[8:12] == b"WEBP" and len(frame) <= 30_000 for frame in frames)


async def test_the_clip_is_what_its_asset_says(provider: Subject, order: Order) -> None:
    """The clip plays in browsers, starts before it is loaded, and has the stated size and duration."""
    clip = (await made(provider, order)).clip
    assert clip.duration_seconds is not None
    probed = probe(clip.path)
    assert probed[:3] == ("h264", "yuv420p", (clip.width, clip.height))
    assert abs(probed.seconds - Fraction(clip.duration_seconds)) <= Fraction(1, 24)
    assert abs(probed.frames - 24 * clip.duration_seconds) <= 1
    names = boxes(clip.path.read_bytes())
    assert names.index("moov") < names.index("mdat")


async def test_poster_and_preview_are_what_their_assets_say(provider: Subject, order: Order) -> None:
    """The poster is a still, the preview a small animation; both have the stated sizes."""
    rendered = await made(provider, order)
    assert rendered.poster is not None
    assert rendered.preview is not None
    with Image.open(rendered.poster.path) as poster, Image.open(rendered.preview.path) as preview:
        assert (poster.format, poster.size) == ("WEBP", (rendered.poster.width, rendered.poster.height))
        assert (preview.format, preview.size) == ("WEBP", (rendered.preview.width, rendered.preview.height))
        assert (getattr(poster, "n_frames", 1), getattr(preview, "is_animated", False)) == (1, True)
    assert rendered.preview.width is not None
    assert rendered.preview.width <= 320
    assert max(asset.path.stat().st_size for asset in (rendered.poster, rendered.preview)) <= MOST_PICTURE_BYTES
    assert rendered.preview.duration_seconds == pytest.approx(seconds_of(rendered.preview.path))


async def test_assets_lie_in_the_workdir_under_their_content_types(provider: Subject, order: Order) -> None:
    """Whatever is handed back lies in the order's folder, non-empty and with its type."""
    rendered = await made(provider, order)
    assets = [asset for asset in (rendered.clip, rendered.poster, rendered.preview) if asset is not None]
    assert [asset.content_type for asset in assets] == ["video/mp4", "image/webp", "image/webp"]
    assert all(asset.path.parent == order.workdir and asset.path.stat().st_size > 0 for asset in assets)


async def test_a_new_process_resumes_by_provider_id(make: Callable[[], Subject], order: Order, tmp_path: Path) -> None:
    """Another instance, as after a restart, finishes what the first one had begun."""
    first = make()
    provider_id = await first.submit(order)
    async with aclosing(first.follow(order, provider_id)) as steps:
        await anext(steps)
    empty = tmp_path / "again"
    empty.mkdir()
    steps = await all_of(make().follow(replace(order, workdir=empty), provider_id))
    assert isinstance(steps[-1], Rendered)


async def test_submitting_twice_gives_the_same_provider_id(provider: Subject, order: Order) -> None:
    """The key of an order is an idempotency key."""
    assert await provider.submit(order) == await provider.submit(order)


async def test_canceling_ends_a_running_order_with_a_typed_failure(provider: Subject, tmp_path: Path) -> None:
    """An order that nobody wants any more fails at once, and not in a way that asks for another attempt."""
    order = a_long_order(tmp_path)
    provider_id = await provider.submit(order)
    async with aclosing(provider.follow(order, provider_id)) as steps:
        await anext(steps)
        await provider.cancel(provider_id)
        with pytest.raises(Failure) as caught:
            await drained(steps)
    assert (caught.value.code, caught.value.retryable) == ("CANCELED", False)


async def test_canceling_what_is_finished_or_unknown_is_harmless(provider: Subject, order: Order) -> None:
    """Canceling leaves finished files alone and does not mind strangers."""
    rendered = await made(provider, order)
    await provider.cancel(f"{provider.name}-{order.key}")
    await provider.cancel("never-heard-of")
    assert rendered.clip.path.exists()


async def test_closing_the_provider_interrupts_what_runs(provider: Subject, tmp_path: Path) -> None:
    """A render that a shutdown cut short may be tried again."""
    order = a_long_order(tmp_path)
    async with aclosing(provider.follow(order, await provider.submit(order))) as steps:
        await anext(steps)
        await provider.close()
        with pytest.raises(Failure) as caught:
            await drained(steps)
    assert (caught.value.code, caught.value.retryable) == ("INTERRUPTED", True)


@on_linux
async def test_closing_the_iterator_leaves_nothing_behind(provider: Subject, tmp_path: Path) -> None:
    """Closing ends the order's process within a second and reaps it."""
    before = children_of(os.getpid())
    order = a_long_order(tmp_path)
    steps = provider.follow(order, await provider.submit(order))
    await anext(steps)
    before_stop = children_cpu_seconds()
    await steps.aclose()
    assert children_cpu_seconds() - before_stop < CPU_SECONDS_TO_STOP
    assert children_of(os.getpid()) == before


@on_linux
async def test_canceling_the_task_leaves_nothing_behind(provider: Subject, tmp_path: Path) -> None:
    """The same holds when the task that reads is canceled while it waits."""
    before = children_of(os.getpid())
    order = a_long_order(tmp_path)
    steps = provider.follow(order, await provider.submit(order))
    await anext(steps)
    reader = asyncio.create_task(drained(steps))
    await asyncio.sleep(0)
    before_stop = children_cpu_seconds()
    reader.cancel()
    await asyncio.wait({reader})
    await steps.aclose()
    assert reader.cancelled()
    assert children_cpu_seconds() - before_stop < CPU_SECONDS_TO_STOP
    assert children_of(os.getpid()) == before


@on_linux
async def test_a_finished_order_leaves_nothing_behind(provider: Subject, order: Order) -> None:
    """With the result in hand, no process is left."""
    before = children_of(os.getpid())
    async with aclosing(provider.follow(order, await provider.submit(order))) as steps:
        async for step in steps:
            if isinstance(step, Rendered):
                break
        assert children_of(os.getpid()) == before


async def test_orders_run_side_by_side(provider: Subject, tmp_path: Path) -> None:
    """Two orders do not get into each other's files."""
    orders: list[Order] = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        orders.append(an_order(folder, key=f"take_{number}", number=number))
    rendered = await asyncio.gather(*(made(provider, order) for order in orders))
    assert [result.clip.path.parent for result in rendered] == [order.workdir for order in orders]
