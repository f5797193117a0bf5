"""Files are uploaded, and named in the nodes that load them (provider `comfyui`)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from providers.catalogue import InputRole
from providers.comfyui.provider import ComfyUIProvider
from providers.port import Failure, Order
from tests.support.comfyui import GivenFile, changed
from tests.support.comfyui_state import FakeComfyUI, Fault
from tests.support.orders import made

NewProvider = Callable[..., ComfyUIProvider]


@pytest.fixture
def picture(tmp_path: Path) -> GivenFile:
    """A first frame; ComfyUI looks into no file that it stores."""
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n--" + bytes(range(256)) * 5000)
    return GivenFile(InputRole.FIRST_FRAME, file)


async def refused(provider: ComfyUIProvider, order: Order) -> Failure:
    """Submit an order that must fail."""
    with pytest.raises(Failure) as caught:
        await provider.submit(order)
    return caught.value


async def test_first_frame_is_uploaded_once_whole(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, picture: GivenFile
) -> None:
    """Its name follows from its content, so that an upload without a response can be repeated."""
    fake.faults = {"upload": [Fault(500), Fault(late=True), Fault(None)]}
    await made(new_provider(), replace(order, inputs=(picture,)))
    assert list(fake.inputs.values()) == [picture.file.read_bytes()]
    (name,) = fake.inputs
    assert fake.submitted[0].workflow["7"]["inputs"] == {"image": name}
    assert fake.submitted[0].workflow["8"]["inputs"]["start_image"] == ["7", 0]
    assert name.startswith("scenewire/")
    assert name.endswith(".png")


async def test_node_of_an_input_that_is_not_given_is_left_out(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """So are links to it."""
    await made(new_provider(), order)
    workflow = fake.submitted[0].workflow
    assert "7" not in workflow
    assert "start_image" not in workflow["8"]["inputs"]


async def test_file_of_the_same_name_and_another_content_is_kept(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, picture: GivenFile
) -> None:
    """ComfyUI returns the name under which it stored an upload."""
    provider = new_provider()
    await provider.submit(replace(order, inputs=(picture,)))
    (name,) = fake.inputs
    fake.inputs[name] = b"cut off"
    await provider.submit(replace(order, key="take_2", inputs=(picture,)))
    stem = name.removesuffix(".png")
    assert fake.submitted[1].workflow["7"]["inputs"]["image"] == f"{stem} (1).png"


async def test_input_that_comfyui_finds_too_large_fails_the_take(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, picture: GivenFile
) -> None:
    """The message names the option of ComfyUI."""
    fake.behaviour.most_upload_bytes = 1000
    failure = await refused(new_provider(), replace(order, inputs=(picture,)))
    assert (failure.code, failure.retryable) == ("INPUT_TOO_LARGE", False)
    assert "--max-upload-size" in failure.message
    assert fake.submitted == []


async def test_input_that_the_workflow_needs_is_missed_before_anything_is_queued(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """The header says which ones it needs."""
    failure = await refused(new_provider(using=changed(required=["FIRST_FRAME"])), order)
    assert (failure.code, failure.retryable) == ("INVALID_INPUT", False)
    assert failure.message == "The workflow wan-2.2-5b needs an input FIRST_FRAME."
    assert fake.submitted == []


async def test_input_without_a_place_in_the_workflow_is_not_dropped(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, picture: GivenFile
) -> None:
    """The template may have changed since the order was accepted."""
    inputs = (picture, replace(picture, role=InputRole.LAST_FRAME))
    failure = await refused(new_provider(), replace(order, inputs=inputs))
    assert (failure.code, failure.retryable) == ("INVALID_INPUT", False)
    assert (fake.submitted, fake.inputs) == ([], {})
