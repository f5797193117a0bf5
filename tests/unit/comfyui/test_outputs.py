"""Which file of a workflow is the clip, and what is refused (provider `comfyui`)."""

from collections.abc import Callable

import pytest

from providers.comfyui.provider import ComfyUIProvider
from providers.port import Failure, Order
from tests.support.comfyui import BRIEF, changed
from tests.support.comfyui_state import FakeComfyUI
from tests.support.orders import made

NewProvider = Callable[..., ComfyUIProvider]


async def failed(provider: ComfyUIProvider, order: Order) -> tuple[str, bool]:
    """Follow an order that must fail."""
    with pytest.raises(Failure) as caught:
        await made(provider, order)
    return caught.value.code, caught.value.retryable


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ({"images": ["clip.mp4"]}, "output/video/0_clip.mp4"),
        ({"gifs": ["clip.webm"]}, "output/video/0_clip.webm"),
        ({"videos": ["clip.mov"]}, "output/video/0_clip.mov"),
        ({"images": ["frame.png"], "gifs": ["clip.mkv", "frame.png"]}, "output/video/0_clip.mkv"),
        ({"images": ["clip.mp4"], "gifs": ["temp|preview.mp4"]}, "output/video/0_clip.mp4"),
        ({"gifs": ["temp|preview.mp4"]}, "temp/video/0_preview.mp4"),
        ({"images": ["raw.mp4", "upscaled.mp4"]}, "output/video/0_upscaled.mp4"),
    ],
    ids=["SaveVideo", "VideoHelperSuite", "videos", "with pictures", "with a preview", "preview alone", "two clips"],
)
async def test_clip_is_found_wherever_nodes_report_it(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, saved: dict[str, list[str]], expected: str
) -> None:
    """What was saved comes before previews, and the last of several counts."""
    fake.behaviour.saved = saved
    rendered = await made(new_provider(), order)
    assert fake.viewed == [expected]
    assert rendered.clip.path.read_bytes() == fake.outputs[expected]


async def test_header_names_the_node_whose_clip_counts(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """Here one that saves nothing, although another one does."""
    assert await failed(new_provider(using=changed(output="10")), order) == ("NO_OUTPUT", False)


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ({}, ("NO_OUTPUT", False)),
        ({"images": ["picture.png"]}, ("NO_OUTPUT", False)),
    ],
    ids=["nothing", "a picture"],
)
async def test_workflow_without_a_clip_is_not_retried(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, saved: dict[str, list[str]], expected: tuple[str, bool]
) -> None:
    """It would save none again."""
    fake.behaviour.saved = saved
    assert await failed(new_provider(), order) == expected


async def test_file_that_is_no_clip_is_not_kept(fake: FakeComfyUI, new_provider: NewProvider, order: Order) -> None:
    """Its first bytes decide, not its name."""
    fake.outputs["output/video/0_clip_00001_.mp4"] = b"<html>" * 1000
    assert await failed(new_provider(), order) == ("OUTPUT_NOT_A_CLIP", False)


async def test_clip_that_is_too_large_is_refused(fake: FakeComfyUI, new_provider: NewProvider, order: Order) -> None:
    """The limit is a setting."""
    assert await failed(new_provider(most_bytes=100), order) == ("OUTPUT_TOO_LARGE", False)


async def test_clip_that_was_deleted_is_made_again(fake: FakeComfyUI, new_provider: NewProvider, order: Order) -> None:
    """Another attempt costs no money."""
    fake.behaviour.waits_for_client = False
    provider = new_provider(BRIEF)
    provider_id = await provider.submit(order)
    await fake.until(lambda: bool(fake.history))
    fake.outputs.clear()
    with pytest.raises(Failure) as caught:
        async for _ in provider.follow(order, provider_id):
            pass
    assert (caught.value.code, caught.value.retryable, caught.value.unsettled) == ("OUTPUT_UNAVAILABLE", True, False)
