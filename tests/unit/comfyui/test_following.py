"""A prompt is followed to its end, whatever becomes of the connections and of ComfyUI (provider `comfyui`)."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from providers.comfyui.provider import ComfyUIProvider
from providers.port import Failure, Order, Progress, Rendered
from tests.support.comfyui import BRIEF
from tests.support.comfyui_state import FakeComfyUI, Fault
from tests.support.orders import all_of, an_order, drained, made
from tests.support.waiting import TIMEOUT_SECONDS, eventually

NewProvider = Callable[..., ComfyUIProvider]


async def failed(provider: ComfyUIProvider, order: Order) -> Failure:
    """Follow an order that must fail."""
    with pytest.raises(Failure) as caught:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await made(provider, order)
    return caught.value


def second(order: Order, folder: Path) -> Order:
    """Return another order, which waits while the first one is held."""
    (folder / "second").mkdir()
    return replace(order, key="second", workdir=folder / "second")


async def test_clip_tells_how_it_was_made(new_provider: NewProvider, order: Order) -> None:
    """With the settings of the workflow, and how long it ran."""
    rendered = await made(new_provider(), order)
    settings = rendered.made.settings
    assert settings is not None
    assert (settings.model, settings.options) == ("wan-2.2-5b", {"steps": 20, "cfg": 5})
    assert rendered.made.ignored == ()
    seconds = rendered.made.metrics["executionSeconds"]
    assert isinstance(seconds, float)
    assert seconds >= 0


@pytest.mark.parametrize("states", [True, False], ids=["current version", "version without progress_state"])
async def test_progress_covers_all_nodes(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, *, states: bool
) -> None:
    """The sampler counts for as many nodes as it has steps."""
    fake.behaviour.states = states
    provider = new_provider(replace(BRIEF, poll=TIMEOUT_SECONDS))
    steps = await all_of(provider.follow(order, await provider.submit(order)))
    fractions = [step.fraction for step in steps if isinstance(step, Progress)]
    known = list(dict.fromkeys(fraction for fraction in fractions if fraction))
    # 11 nodes, one of which counts 20; not the loader of a picture, which the order does not have.
    assert known == pytest.approx([*(count / 30 for count in range(1, 30)), 0.99])


async def test_messages_about_other_prompts_are_ignored(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """ComfyUI sends some of them to every client."""
    fake.behaviour.holds = True
    provider = new_provider(replace(BRIEF, poll=TIMEOUT_SECONDS))
    following = asyncio.create_task(all_of(provider.follow(order, await provider.submit(order))))
    await fake.until(lambda: fake.running is not None and fake.running.id in fake.sockets)
    assert fake.running is not None
    finished = {node: {"value": 1, "max": 1, "state": "finished"} for node in fake.running.workflow}
    await fake.send(fake.running, "progress_state", {"prompt_id": "another", "nodes": finished})
    fake.released.set()
    fractions = [step.fraction for step in await following if isinstance(step, Progress) and step.fraction]
    assert list(dict.fromkeys(fractions)) == pytest.approx([*(count / 30 for count in range(1, 30)), 0.99])


async def test_socket_that_is_refused_at_first_is_connected_again(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """The prompt starts when its client listens."""
    fake.faults = {"ws": [Fault(), Fault()]}
    assert (await made(new_provider(), order)).clip.path.exists()
    assert fake.counts["ws"] >= 3


async def test_prompt_is_followed_without_any_socket(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """By the history, without progress."""
    fake.behaviour.waits_for_client = False
    fake.faults = {"ws": [Fault()] * 10_000}
    provider = new_provider()
    steps = await all_of(provider.follow(order, await provider.submit(order)))
    assert {step.fraction for step in steps if isinstance(step, Progress)} == {0.0}
    assert isinstance(steps[-1], Rendered)


async def test_cut_socket_is_connected_again(fake: FakeComfyUI, new_provider: NewProvider, order: Order) -> None:
    """Progress goes on."""
    fake.behaviour.holds = True
    provider = new_provider()
    provider_id = await provider.submit(order)
    async with aclosing(provider.follow(order, provider_id)) as steps:
        following = asyncio.create_task(all_of(steps))
        await fake.until(lambda: provider_id in fake.sockets)
        await fake.sockets[provider_id].close()
        await fake.until(lambda: fake.counts["ws"] >= 2 and provider_id in fake.sockets)
        fake.released.set()
        last = (await following)[-1]
    assert isinstance(last, Rendered)


async def test_prompt_that_a_restart_of_comfyui_loses_fails_retryably(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """It is neither in the queue nor in the history."""
    fake.behaviour.holds = True
    provider = new_provider()
    provider_id = await provider.submit(order)
    following = asyncio.create_task(drained(provider.follow(order, provider_id)))
    await fake.until(lambda: fake.running is not None)
    await fake.restart()
    with pytest.raises(Failure) as caught:
        await following
    assert (caught.value.code, caught.value.retryable, caught.value.unsettled) == ("PROMPT_LOST", True, False)


async def test_prompt_that_is_deleted_at_comfyui_fails_retryably(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, tmp_path: Path
) -> None:
    """It was removed from the queue there by a user."""
    fake.behaviour.holds, fake.behaviour.waits_for_client = True, False
    provider = new_provider()
    await provider.submit(order)
    await fake.until(lambda: fake.running is not None)
    waiting = second(order, tmp_path)
    provider_id = await provider.submit(waiting)
    fake.delete(provider_id)
    with pytest.raises(Failure) as caught:
        await drained(provider.follow(waiting, provider_id))
    assert (caught.value.code, caught.value.retryable) == ("PROMPT_LOST", True)


async def test_odd_responses_about_a_running_prompt_are_retried(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """Errors, cut connections and refusals of a proxy."""
    odd = [Fault(500), Fault(401), Fault(None), Fault(404), Fault(200, body=b"<html>"), Fault(200, body=b"[]")]
    fake.faults = {"queue": list(odd), "history": list(odd), "view": [Fault(503), Fault(None)]}
    fake.behaviour.holds = True
    making = asyncio.create_task(made(new_provider(), order))
    await fake.until(lambda: not fake.faults["queue"] and not fake.faults["history"])
    fake.released.set()
    assert (await making).clip.path.exists()
    assert fake.faults["view"] == []


@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [(Fault(500), "PROVIDER_UNAVAILABLE", True), (Fault(401), "UNAUTHORIZED", False)],
    ids=["error", "refusal"],
)
async def test_prompt_is_given_up_when_comfyui_does_not_answer(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, fault: Fault, code: str, *, retryable: bool
) -> None:
    """It may still come to a clip, which the next take then finds."""
    provider = new_provider(BRIEF)
    provider_id = await provider.submit(order)
    fake.faults = {"queue": [fault] * 10_000, "history": [fault] * 10_000}
    with pytest.raises(Failure) as caught:
        await drained(provider.follow(order, provider_id))
    assert (caught.value.code, caught.value.retryable, caught.value.unsettled) == (code, retryable, True)


@pytest.mark.parametrize(
    ("error", "code", "retryable", "retries"),
    [
        ("Allocation on device: CUDA out of memory", "PROMPT_FAILED", True, 1),
        ("Image size must be a multiple of 32", "INVALID_INPUT", False, None),
        ("Connection reset", "PROVIDER_UNAVAILABLE", True, None),
    ],
    ids=["out of memory", "invalid input", "download of a model"],
)
async def test_error_of_a_node_fails_the_take_by_its_class(
    fake: FakeComfyUI,
    new_provider: NewProvider,
    order: Order,
    error: str,
    code: str,
    *,
    retryable: bool,
    retries: int | None,
) -> None:
    """The message names the node."""
    fake.behaviour.error = error
    failure = await failed(new_provider(), order)
    assert (failure.code, failure.retryable, failure.retries) == (code, retryable, retries)
    assert f"KSampler (9): {error}" in failure.message


async def test_prompt_that_is_interrupted_at_comfyui_is_canceled(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order
) -> None:
    """By a user there."""
    fake.behaviour.holds = True
    provider = new_provider()
    following = asyncio.create_task(drained(provider.follow(order, await provider.submit(order))))
    await fake.until(lambda: fake.running is not None)
    fake.interrupt(None)
    with pytest.raises(Failure) as caught:
        await following
    assert (caught.value.code, caught.value.retryable) == ("CANCELED", False)


async def test_cancel_interrupts_only_its_own_prompt(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, tmp_path: Path
) -> None:
    """The one that waits behind it is rendered."""
    fake.behaviour.holds, fake.behaviour.waits_for_client = True, False
    fake.faults = {"delete": [Fault(500)], "interrupt": [Fault(None)]}
    provider = new_provider()
    first = await provider.submit(order)
    await fake.until(lambda: fake.running is not None)
    waiting = second(order, tmp_path)
    name = await provider.submit(waiting)
    await provider.cancel(first)
    fake.released.set()
    last = (await all_of(provider.follow(waiting, name)))[-1]
    assert isinstance(last, Rendered)
    status = fake.history[first]["status"]
    assert status["messages"][-1][0] == "execution_interrupted"


async def test_cancel_of_a_waiting_prompt_leaves_the_running_one_alone(
    fake: FakeComfyUI, new_provider: NewProvider, order: Order, tmp_path: Path
) -> None:
    """It is taken out of the queue; nothing is interrupted."""
    fake.behaviour.holds, fake.behaviour.waits_for_client = True, False
    provider = new_provider()
    first = await provider.submit(order)
    await fake.until(lambda: fake.running is not None)
    await provider.cancel(await provider.submit(second(order, tmp_path)))
    assert (fake.pending, fake.counts["interrupt"]) == ([], 0)
    fake.released.set()
    assert isinstance((await all_of(provider.follow(order, first)))[-1], Rendered)


async def test_prompts_of_others_do_not_disturb(fake: FakeComfyUI, new_provider: NewProvider, tmp_path: Path) -> None:
    """The queue and the history have prompts without a mark, and with marks of an odd shape."""
    fake.behaviour.waits_for_client = False
    provider = new_provider()
    odd = [{}, {"scenewire": "odd"}, {"scenewire": {"order": 1}}, {"scenewire": {"order": "o", "digest": "d"}}]
    for number, extra in enumerate(odd):
        await provider._api.submit({"prompt": {"1": {"class_type": "SaveVideo", "inputs": {}}}, "extra_data": extra})  # pyright: ignore[reportPrivateUsage]
        await eventually(lambda number=number: len(fake.history) > number)
    rendered = await made(provider, an_order(tmp_path, duration_seconds=1.0))
    assert rendered.clip.path.exists()
