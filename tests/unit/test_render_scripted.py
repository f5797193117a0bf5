"""The provider `scripted`: what it guarantees beyond the port."""

from decimal import Decimal
from pathlib import Path

import pytest

from providers.catalogue import InputRole, Settings
from providers.port import UNREPORTED, Cost, Failure, Made, Order, Progress
from providers.scripted import ScriptedProvider
from tests.support.input_files import PictureFile
from tests.support.orders import all_of, an_order, made


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return an_order(tmp_path)


async def test_scripted_clip_fails_as_its_script_says(tmp_path: Path) -> None:
    """Code, message and retryability come from the script, after its progress."""
    script = {"outcome": "fail", "retryable": True, "code": "QUOTA", "message": "No credit.", "stepSeconds": 0}
    order = an_order(tmp_path, metadata={"script": script})
    steps = ScriptedProvider().follow(order, "scripted-x")
    seen = [await anext(steps) for _ in range(3)]
    with pytest.raises(Failure) as caught:
        await anext(steps)
    failure = caught.value
    assert (failure.code, failure.message, failure.retryable) == ("QUOTA", "No credit.", True)
    assert seen == [Progress(0.25), Progress(0.5), Progress(0.75)]


async def test_first_takes_of_a_script_fail_and_later_ones_succeed(tmp_path: Path) -> None:
    """`failTakes` counts takes of the scene, so that a retry succeeds."""
    outcomes: list[str] = []
    for number in (1, 2, 3):
        order = an_order(tmp_path, number=number, metadata={"script": {"failTakes": 2, "stepSeconds": 0, "steps": 1}})
        try:
            outcomes.append(type(await made(ScriptedProvider(), order)).__name__)
        except Failure as failure:
            outcomes.append("retryable" if failure.retryable else "final")
    assert outcomes == ["retryable", "retryable", "Rendered"]


async def test_scripted_provider_counts_submissions_and_cancels(order: Order) -> None:
    """A test can assert that no order was submitted twice."""
    provider = ScriptedProvider()
    provider_id = await provider.submit(order)
    await all_of(provider.follow(order, provider_id))
    await provider.cancel(provider_id)
    assert (provider.submissions, provider.cancels) == ({order.key: 1}, {provider_id: 1})


async def test_clip_without_a_script_succeeds_in_four_steps(tmp_path: Path) -> None:
    """Any scene can be rendered by this provider."""
    steps = await all_of(ScriptedProvider().follow(an_order(tmp_path, metadata={}), "scripted-x"))
    assert steps[:-1] == [Progress(0.25), Progress(0.5), Progress(0.75), Progress(1.0)]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("succeed", "must be an object"),
        ({"outcome": "explode"}, "outcome must be succeed, fail or stall"),
        ({"outcome": ["fail"]}, "outcome must be"),
        ({"steps": 0}, "steps must be a whole number in 1..1000"),
        ({"steps": True}, "steps must be"),
        ({"steps": 2.0}, "steps must be"),
        ({"stepSeconds": -1}, "stepSeconds must be a number of seconds"),
        ({"stepSeconds": float("nan")}, "stepSeconds must be"),
        ({"stepSeconds": "1"}, "stepSeconds must be"),
        ({"retryable": 1}, "retryable must be true or false"),
        ({"code": ""}, "code must be"),
        ({"message": None}, "message must be"),
        ({"failTakes": -1}, "failTakes must be"),
        ({"frames": "yes"}, "frames must be"),
        ({"stepseconds": 1}, "no 'stepseconds'"),
        ({"seed": 2**32}, "seed must be a whole number in 0..4294967295"),
        ({"seed": None}, "seed must be"),
        ({"ignored": "seed"}, "ignored must be a list"),
        ({"ignored": [""]}, "ignored must be"),
        ({"cost": {"amount": 0.35, "currency": "USD"}}, "cost must be an object such as"),
        ({"cost": {"amount": "-1", "currency": "USD"}}, "cost must be"),
        ({"cost": {"amount": "NaN", "currency": "USD"}}, "cost must be"),
        ({"cost": {"amount": "1", "currency": "usd"}}, "cost must be"),
        ({"cost": {"amount": "1"}}, "cost must be"),
        ({"metrics": []}, "metrics must be an object"),
        ({"readInputs": 1}, "readInputs must be true or false"),
    ],
)
async def test_clip_with_an_invalid_script_is_refused(tmp_path: Path, script: object, message: str) -> None:
    """The failure names the key, and is not retryable."""
    with pytest.raises(Failure) as caught:
        await ScriptedProvider().submit(an_order(tmp_path, metadata={"script": script}))
    assert (caught.value.code, caught.value.retryable) == ("INVALID_SCRIPT", False)
    assert message in caught.value.message


async def test_script_says_how_its_clip_was_made(tmp_path: Path) -> None:
    """Seed, what was ignored, cost and metrics; the other settings are those of the order."""
    script = {
        "seed": 12,
        "ignored": ["negativePrompt"],
        "cost": {"amount": "0.35", "currency": "USD"},
        "metrics": {"predictSeconds": 41.5},
        "readInputs": True,
    }
    source = PictureFile(tmp_path, InputRole.REFERENCE, name="hero")
    asked = Settings("plain", "16:9", negative_prompt="fog")
    order = an_order(tmp_path, metadata={"script": script}, settings=asked, inputs=(source,))
    read = {"role": "REFERENCE", "name": "hero", "contentType": "image/png", "sizeBytes": source.size_bytes}
    assert (await made(ScriptedProvider(), order)).made == Made(
        Settings("plain", "16:9", seed=12, negative_prompt="fog"),
        ("negativePrompt",),
        Cost(Decimal("0.35"), "USD"),
        {"predictSeconds": 41.5, "inputs": [read]},
    )


async def test_clip_without_a_script_says_nothing_of_how_it_was_made(tmp_path: Path) -> None:
    """As by a provider that reports nothing."""
    assert (await made(ScriptedProvider(), an_order(tmp_path, metadata={}))).made == UNREPORTED
