"""A prompt is never submitted twice, although responses are lost and workers are killed (provider `comfyui`)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from providers.comfyui.marks import prompt_id
from providers.comfyui.provider import ComfyUIProvider
from providers.port import EarlierOrder, Failure, Order
from tests.support.comfyui import BRIEF
from tests.support.comfyui_state import FakeComfyUI, Fault
from tests.support.orders import all_of, made
from tests.support.waiting import eventually

NewProvider = Callable[..., ComfyUIProvider]
LOST, BROKEN = Fault(late=True), Fault(500)


async def submitted(provider: ComfyUIProvider, order: Order) -> Failure:
    """Submit an order that must fail."""
    with pytest.raises(Failure) as caught:
        await provider.submit(order)
    return caught.value


async def test_id_of_a_prompt_follows_from_the_key_of_its_order(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """Nothing is searched for when no worker has submitted the order before."""
    assert await new_provider().submit(order) == prompt_id(order.key)
    assert [item.id for item in fake.submitted] == [prompt_id(order.key)]
    assert fake.counts["queue"] == 0


@pytest.mark.parametrize("minds_ids", [True, False], ids=["current version", "version that chooses the ids"])
@pytest.mark.parametrize(
    "faults",
    [[LOST], [BROKEN], [Fault(502), LOST], [Fault(429), Fault(None), BROKEN]],
    ids=["lost response", "error", "error then lost response", "busy then cut then error"],
)
async def test_prompt_whose_response_is_lost_is_found(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, faults: list[Fault], *, minds_ids: bool
) -> None:
    """In the queue or the history; only one that has had no effect is submitted again."""
    fake.behaviour.minds_ids = minds_ids
    fake.faults = {"prompt": list(faults), "queue": [BROKEN, BROKEN], "history": [BROKEN]}
    provider = new_provider()
    rendered = await made(provider, order)
    assert rendered.clip.path.exists()
    assert len(fake.submitted) == 1
    assert fake.faults["prompt"] == []


@pytest.mark.parametrize("minds_ids", [True, False], ids=["current version", "version that chooses the ids"])
@pytest.mark.parametrize("phase", ["waits", "runs", "finished"])
async def test_worker_that_takes_an_order_over_finds_its_prompt(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, phase: str, *, minds_ids: bool
) -> None:
    """The first worker was killed before it recorded the id."""
    fake.behaviour.minds_ids = minds_ids
    fake.behaviour.waits_for_client = fake.behaviour.holds = phase == "waits"
    fake.behaviour.holds = phase != "finished"
    if phase == "waits":
        await new_provider().submit(replace(order, key="another"))
        await fake.until(lambda: fake.running is not None)
    first = await new_provider().submit(order)
    before = len(fake.submitted)
    if phase != "waits":
        await fake.until(lambda: fake.running is not None or bool(fake.history))
    if phase == "finished":
        await fake.until(lambda: bool(fake.history))
    assert await new_provider().submit(replace(order, fresh=False)) == first
    assert len(fake.submitted) == before


async def test_order_that_was_never_queued_is_submitted_by_the_next_worker(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """The search finds nothing."""
    await new_provider().submit(replace(order, fresh=False))
    assert len(fake.submitted) == 1
    assert fake.counts["queue"] > 1


async def test_next_take_follows_the_prompt_of_a_take_that_was_given_up(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """It was submitted although ComfyUI did not answer; the failure says that it may come to a clip."""
    fake.faults = {"prompt": [LOST, *[BROKEN] * 1000], "queue": [BROKEN] * 1000}
    failure = await submitted(new_provider(BRIEF), order)
    assert (failure.code, failure.retryable, failure.unsettled) == ("PROVIDER_UNAVAILABLE", True, True)
    fake.faults.clear()
    again = replace(order, key="take_2", number=2, unsettled=(EarlierOrder(order.key, 1, None),))
    provider = new_provider()
    rendered = await made(provider, again)
    assert rendered.clip.path.exists()
    assert [item.id for item in fake.submitted] == [prompt_id(order.key)]
    assert rendered.made.settings is not None
    # The seed is that of the first take, which made the clip.
    assert rendered.made.settings.seed == fake.submitted[0].workflow["9"]["inputs"]["seed"]


async def test_next_take_is_retried_when_the_prompt_of_a_take_out_of_time_is_interrupted(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """The sampler ends with its next step only, so that the next take still found the prompt running."""
    fake.behaviour.holds, fake.behaviour.waits_for_client = True, False
    provider = new_provider()
    first = await provider.submit(order)
    await fake.until(lambda: fake.running is not None)
    again = replace(order, key="take_2", number=2, unsettled=(EarlierOrder(order.key, 1, first),))
    assert await provider.submit(again) == first
    fake.interrupt(first)
    with pytest.raises(Failure) as caught:
        await all_of(provider.follow(again, first))
    assert (caught.value.code, caught.value.retryable) == ("PROMPT_LOST", True)


@pytest.mark.parametrize("changes", [{"prompt": "Another"}, {"duration_seconds": 2.0}], ids=["prompt", "duration"])
async def test_earlier_prompt_that_does_not_fit_is_left_alone(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, changes: dict[str, object]
) -> None:
    """The next take asks for something else."""
    fake.behaviour.waits_for_client = False
    await new_provider().submit(order)
    again = replace(order, key="take_2", unsettled=(EarlierOrder(order.key, 1, None),), **changes)
    assert await new_provider().submit(again) == prompt_id("take_2")


@pytest.mark.parametrize("saved", [None, {"images": ["picture.png"]}], ids=["failed", "no clip"])
async def test_earlier_prompt_without_a_clip_is_not_used(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, saved: dict[str, list[str]] | None
) -> None:
    """The next take submits its own."""
    fake.behaviour.waits_for_client = False
    fake.behaviour.error = "broken" if saved is None else None
    fake.behaviour.saved = saved or fake.behaviour.saved
    await new_provider().submit(order)
    await eventually(lambda: bool(fake.history))
    again = replace(order, key="take_2", unsettled=(EarlierOrder(order.key, 1, None),))
    assert await new_provider().submit(again) == prompt_id("take_2")


async def test_prompt_that_had_no_effect_is_given_up_as_one_that_cannot_come_to_a_clip(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """ComfyUI was too busy all the time."""
    fake.faults = {"prompt": [Fault(429)] * 1000}
    failure = await submitted(new_provider(BRIEF), order)
    assert (failure.code, failure.retryable, failure.unsettled) == ("PROVIDER_UNAVAILABLE", True, False)
    assert fake.submitted == []


NODE_ERRORS = {
    "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation", "details": ""},
    "node_errors": {
        "1": {
            "class_type": "UNETLoader",
            "dependent_outputs": ["12"],
            "errors": [{"message": "Value not in list", "details": "unet_name: 'wan.safetensors' not in []"}],
        }
    },
}


async def test_refused_workflow_says_which_node_refuses_what(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """It is not retryable: the same would be refused again."""
    fake.behaviour.refusal = NODE_ERRORS
    failure = await submitted(new_provider(), order)
    assert (failure.code, failure.retryable) == ("INVALID_INPUT", False)
    assert failure.message == (
        "ComfyUI refuses the workflow: UNETLoader (1): Value not in list (unet_name: 'wan.safetensors' not in [])"
    )


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(400, body=b'{"error": {"message": "Unknown node"}}'), "INVALID_INPUT"),
        (Fault(400, body=b"<html>"), "INVALID_INPUT"),
        (Fault(401), "UNAUTHORIZED"),
        (Fault(403), "FORBIDDEN"),
        (Fault(404), "NOT_FOUND"),
        (Fault(418), "REQUEST_REFUSED"),
    ],
    ids=["unknown node", "page", "unauthorized", "forbidden", "not found", "other"],
)
async def test_refusal_of_a_prompt_fails_at_once(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, fault: Fault, code: str
) -> None:
    """The first time, when nothing depends on it."""
    fake.faults = {"prompt": [fault]}
    failure = await submitted(new_provider(), order)
    assert (failure.code, failure.retryable, failure.unsettled) == (code, False, False)


async def test_header_of_the_operator_is_sent_with_every_request(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """Also with that of the websocket."""
    await made(new_provider(headers={"x-key": "secret"}), order)
    assert fake.counts["ws"] == 1
    assert {headers.get("x-key") for headers in fake.headers} == {"secret"}
