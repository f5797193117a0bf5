"""The conformance suite of providers that render: what the port guarantees.

An implementation is added to CASES of tests/support/provider_cases.py.
"""

import asyncio
import os
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from providers.port import MOST_PICTURE_BYTES, Failure, Order, Progress, Provider, Rendered
from tests.support.media_files import boxes, probe, seconds_of
from tests.support.orders import a_long_order, all_of, an_order, drained, looked_at, made
from tests.support.os_processes import children_cpu_seconds, children_of, on_linux
from tests.support.provider_cases import Case, Maker

# CPU time, which does not depend on the load of the machine; the whole order takes several times as much.
CPU_SECONDS_TO_STOP = 1.0


@pytest.fixture
def order(provider_case: Case, tmp_path: Path) -> Order:
    return an_order(
        tmp_path,
        started_at=datetime.now(UTC),
        duration_seconds=provider_case.duration_seconds,
        fresh=provider_case.fresh,
    )


@pytest.fixture
def long_order(provider_case: Case, tmp_path: Path) -> Order:
    return replace(a_long_order(tmp_path), duration_seconds=provider_case.long_seconds, fresh=provider_case.fresh)


@pytest.fixture
def provider(make_provider: Maker) -> Provider:
    return make_provider()


async def test_provider_yields_progress_then_one_clip(provider: Provider, order: Order) -> None:
    """The last step is the result."""
    steps = await all_of(provider.follow(order, await provider.submit(order)))
    assert [type(step) for step in steps] == [Progress] * (len(steps) - 1) + [Rendered]
    assert len(steps) > 2


async def test_progress_of_a_provider_is_monotonic(provider: Provider, order: Order, provider_case: Case) -> None:
    """Within 0..1, in steps of at most a tenth, if the service reports it."""
    steps = await all_of(provider.follow(order, await provider.submit(order)))
    fractions = [step.fraction for step in steps if isinstance(step, Progress) and step.fraction is not None]
    assert fractions == sorted(fractions)
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert bool(fractions) == provider_case.reports_progress
    if fractions:
        assert max(after - before for before, after in pairwise([0, *fractions, 1])) <= 0.1 + 1e-9


async def test_frames_of_a_provider_are_small_webp_images(
    provider: Provider, order: Order, provider_case: Case
) -> None:
    """A live frame has at most 30 kB."""
    steps = await all_of(provider.follow(order, await provider.submit(order)))
    frames = [step.frame for step in steps if isinstance(step, Progress) and step.frame is not None]
    assert bool(frames) == provider_case.shows_frames
    assert all(frame[8:12] == b"WEBP" and len(frame) <= 30_000 for frame in frames)


async def test_clip_is_as_its_asset_describes(provider: Provider, order: Order) -> None:
    """It plays in browsers, starts before it is loaded, and has the described size and duration."""
    clip = (await looked_at(await made(provider, order), order)).clip
    assert clip.duration_seconds is not None
    probed = probe(clip.path)
    assert probed[:3] == ("h264", "yuv420p", (clip.width, clip.height))
    assert abs(probed.seconds - Fraction(clip.duration_seconds)) <= Fraction(1, 24)
    assert abs(probed.frames - 24 * clip.duration_seconds) <= 1
    names = boxes(clip.path.read_bytes())
    assert names.index("moov") < names.index("mdat")


async def test_poster_and_preview_are_as_their_assets_describe(provider: Provider, order: Order) -> None:
    """The poster is a still, the preview a small animation; both have the described sizes."""
    rendered = await looked_at(await made(provider, order), order)
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


async def test_clip_and_pictures_are_in_the_workdir(provider: Provider, order: Order) -> None:
    """Not empty, with their content types."""
    rendered = await looked_at(await made(provider, order), order)
    assets = [asset for asset in (rendered.clip, rendered.poster, rendered.preview) if asset is not None]
    assert [asset.content_type for asset in assets] == ["video/mp4", "image/webp", "image/webp"]
    assert all(asset.path.parent == order.workdir and asset.path.stat().st_size > 0 for asset in assets)


async def test_only_clips_that_the_provider_has_made_itself_are_checked_by_it(
    provider: Provider, order: Order, provider_case: Case
) -> None:
    """They need no other process to look at them; and another attempt is free unless the clip was bought."""
    rendered = await made(provider, order)
    assert (rendered.checked, rendered.repeatable) == (provider_case.checked, provider_case.repeatable)


async def test_provider_resumes_an_order_by_provider_id(make_provider: Maker, order: Order, tmp_path: Path) -> None:
    """Another instance, as after a restart, finishes the order of the first one."""
    first = make_provider()
    provider_id = await first.submit(order)
    async with aclosing(first.follow(order, provider_id)) as steps:
        await anext(steps)
    empty = tmp_path / "again"
    empty.mkdir()
    steps = await all_of(make_provider().follow(replace(order, workdir=empty), provider_id))
    assert isinstance(steps[-1], Rendered)


async def test_provider_id_of_an_order_submitted_twice_is_the_same(provider: Provider, order: Order) -> None:
    """The key of an order is an idempotency key."""
    assert await provider.submit(order) == await provider.submit(order)


async def test_cancel_ends_a_running_order_of_a_provider(provider: Provider, long_order: Order) -> None:
    """It fails at once, not retryably."""
    provider_id = await provider.submit(long_order)
    async with aclosing(provider.follow(long_order, provider_id)) as steps:
        await anext(steps)
        await provider.cancel(provider_id)
        with pytest.raises(Failure) as caught:
            await drained(steps)
    assert (caught.value.code, caught.value.retryable) == ("CANCELED", False)


async def test_cancel_of_a_finished_or_unknown_order_is_ignored_by_the_provider(
    provider: Provider, order: Order
) -> None:
    """The files of a finished order stay."""
    rendered = await made(provider, order)
    await provider.cancel(f"{provider.name}-{order.key}")
    await provider.cancel("unknown")
    assert rendered.clip.path.exists()


async def test_closing_a_provider_interrupts_its_orders(provider: Provider, long_order: Order) -> None:
    """They are retryable."""
    async with aclosing(provider.follow(long_order, await provider.submit(long_order))) as steps:
        await anext(steps)
        await provider.close()
        with pytest.raises(Failure) as caught:
            await drained(steps)
    assert (caught.value.code, caught.value.retryable) == ("INTERRUPTED", True)


@on_linux
async def test_closing_the_steps_of_a_provider_leaves_no_process(provider: Provider, long_order: Order) -> None:
    """The process of the order is killed within a second and reaped."""
    before = children_of(os.getpid())
    steps = provider.follow(long_order, await provider.submit(long_order))
    await anext(steps)
    before_stop = children_cpu_seconds()
    await steps.aclose()
    assert children_cpu_seconds() - before_stop < CPU_SECONDS_TO_STOP
    assert children_of(os.getpid()) == before


@on_linux
async def test_canceling_the_reader_of_a_provider_leaves_no_process(provider: Provider, long_order: Order) -> None:
    """The task is canceled while it waits for a step."""
    before = children_of(os.getpid())
    steps = provider.follow(long_order, await provider.submit(long_order))
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
async def test_finished_order_of_a_provider_leaves_no_process(provider: Provider, order: Order) -> None:
    """As soon as the result was yielded."""
    before = children_of(os.getpid())
    async with aclosing(provider.follow(order, await provider.submit(order))) as steps:
        async for step in steps:
            if isinstance(step, Rendered):
                break
        assert children_of(os.getpid()) == before


async def test_orders_of_a_provider_run_concurrently(provider: Provider, order: Order, tmp_path: Path) -> None:
    """The files of two orders are separate."""
    orders: list[Order] = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        orders.append(replace(order, workdir=folder, key=f"take_{number}", number=number))
    rendered = await asyncio.gather(*(made(provider, order) for order in orders))
    assert [result.clip.path.parent for result in rendered] == [order.workdir for order in orders]
