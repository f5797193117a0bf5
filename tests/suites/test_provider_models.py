"""The conformance suite of catalogues: what models promise, and what a clip is said to be made with.

An implementation is added to CASES of tests/support/provider_cases.py.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from coordinator.commands import fitting
from models.domain.settings import stored
from providers.catalogue import AudioSupport, InputRole, Model, Resolution, Settings
from providers.port import Failure, Order, Provider, Rendered
from tests.support.input_files import MissingFile, PictureFile
from tests.support.orders import all_of, an_order
from tests.support.provider_cases import Case, Maker
from tests.support.waiting import eventually

SEED = 7
# Or a word of the model, such as "adaptive".
ASPECT_RATIO = re.compile(r"[1-9][\d.]*:[1-9][\d.]*|[a-z_]+")
PICTURES = (InputRole.FIRST_FRAME, InputRole.LAST_FRAME, InputRole.REFERENCE)


@pytest.fixture
async def models(make_provider: Maker) -> Sequence[Model]:
    """What a provider offers once it knows its models."""
    provider = make_provider()

    async def available() -> bool:
        return (await provider.models())[0].available

    await eventually(available)
    return await provider.models()


@pytest.fixture
def order(provider_case: Case, models: Sequence[Model], tmp_path: Path) -> Order:
    """An order of everything that the default model can do, besides inputs."""
    script = {"steps": 2, "stepSeconds": 0, "readInputs": True}
    return an_order(
        tmp_path,
        duration_seconds=provider_case.duration_seconds,
        settings=everything(models[0]),
        fresh=provider_case.fresh,
        metadata={"script": script},
    )


def everything(model: Model) -> Settings:
    """Return settings that ask for all that the model can do, in values that are not its defaults where possible."""
    return replace(
        model.defaults,
        model=model.name,
        aspect_ratio=next(reversed(model.aspect_ratios), model.defaults.aspect_ratio),
        resolution=next(iter(model.resolutions), model.defaults.resolution),
        seed=SEED if model.seed else None,
        negative_prompt="fog" if model.negative_prompt else None,
        audio=True if model.audio is AudioSupport.OPTIONAL else None,
    )


def some_inputs(model: Model, folder: Path) -> tuple[PictureFile, ...]:
    """Return a picture for each role of pictures that can be used together."""
    roles: list[InputRole] = []
    for role in PICTURES:
        if role in model.roles and not any({role, other} <= pair for pair in model.exclusive for other in roles):
            roles.append(role)
    return tuple(PictureFile(folder, role) for role in roles)


async def result(make_provider: Maker, order: Order) -> Rendered:
    provider = make_provider()
    return await followed(provider, order, await provider.submit(order))


async def followed(provider: Provider, order: Order, provider_id: str) -> Rendered:
    last = (await all_of(provider.follow(order, provider_id)))[-1]
    assert isinstance(last, Rendered)
    return last


def asked(settings: Settings) -> dict[str, Any]:
    """Return what was asked for, by the names that `Made.ignored` has."""
    named = {
        "aspectRatio": settings.aspect_ratio,
        "resolution": settings.resolution,
        "seed": settings.seed,
        "negativePrompt": settings.negative_prompt,
        "audio": settings.audio,
        **{f"options.{key}": value for key, value in settings.options.items()},
    }
    return {name: value for name, value in named.items() if value is not None}


def test_models_are_well_formed(models: Sequence[Model]) -> None:
    """Lengths, ratios, resolutions, roles and references agree with each other."""
    assert len({model.name for model in models}) == len(models) > 0
    for model in models:
        assert model.name.strip() == model.name != ""
        assert 0 < model.min_duration_seconds <= model.max_duration_seconds
        if model.durations_seconds is not None:
            assert [*model.durations_seconds] == sorted(set(model.durations_seconds))
            bounds = model.min_duration_seconds, model.max_duration_seconds
            assert (model.durations_seconds[0], model.durations_seconds[-1]) == bounds
        assert all(ASPECT_RATIO.fullmatch(ratio) for ratio in model.aspect_ratios)
        assert all(resolution in Resolution for resolution in model.resolutions)
        assert len({*model.aspect_ratios}) == len(model.aspect_ratios)
        assert (model.max_references > 0) == (InputRole.REFERENCE in model.roles)
        assert all(len(roles) > 1 and roles <= {*model.roles} for roles in model.exclusive)
        assert (model.unavailable_reason is None) == model.available


def test_schemas_of_options_are_valid(models: Sequence[Model]) -> None:
    """Each is a JSON schema of an object, which its model's default options fit."""
    for model in models:
        if model.options_schema is not None:
            validator = jsonschema_rs.validator_for(dict(model.options_schema))
            assert validator.is_valid(dict(model.defaults.options))
            assert not validator.is_valid("no object")
        else:
            assert model.defaults.options == {}


def test_defaults_of_models_are_what_they_can_do(models: Sequence[Model]) -> None:
    """An order that asks for nothing is complete, and fits."""
    for model in models:
        defaults = model.defaults
        assert defaults.model in (None, model.name)
        assert defaults.aspect_ratio in (None, *model.aspect_ratios) or not model.aspect_ratios
        assert defaults.resolution in (None, *model.resolutions) or not model.resolutions
        assert defaults.seed is None, "each take would look like the one before"
        assert defaults.negative_prompt is None or model.negative_prompt
        assert not (defaults.audio is True and model.audio is AudioSupport.NEVER)


def test_order_of_all_that_a_model_can_do_is_accepted(models: Sequence[Model], tmp_path: Path) -> None:
    """By the checks of the server: the catalogue contradicts itself nowhere."""
    for model in models:
        asked_of_it = fitting.Asked(
            stored(everything(model)),
            [{"role": file.role.value, "asset_id": "asset_1"} for file in some_inputs(model, tmp_path)],
            "A lighthouse",
            fitting.default_duration(model),
        )
        assert list(fitting.misfits(model, asked_of_it)) == []


async def test_models_are_the_same_each_time(make_provider: Maker, models: Sequence[Model]) -> None:
    """Also of another process, once it knows them."""
    provider = make_provider()

    async def same() -> bool:
        return await provider.models() == models

    await eventually(same)


async def test_everything_asked_of_a_clip_is_used_or_said_to_be_ignored(
    make_provider: Maker, order: Order, models: Sequence[Model], tmp_path: Path
) -> None:
    """Settings and inputs, also by another instance, which knows nothing but the order and its provider id."""
    files = some_inputs(models[0], order.workdir)
    order = replace(order, inputs=files)
    provider = make_provider()
    provider_id = await provider.submit(order)
    rendered = await followed(provider, order, provider_id)
    check_settings(order, rendered)
    unread = {f"inputs.{place}" for place, file in enumerate(files) if not file.reads}
    assert unread <= {*rendered.made.ignored}
    folder = tmp_path / "resumed"
    folder.mkdir()
    resumed = await followed(make_provider(), replace(order, workdir=folder), provider_id)
    assert (resumed.made.settings, resumed.made.ignored) == (rendered.made.settings, rendered.made.ignored)


def check_settings(order: Order, rendered: Rendered) -> None:
    """Check that settings, and the clip's size, differ from the request only where the provider reports it."""
    used = asked(rendered.made.settings or order.settings)
    dropped = {name for name, value in asked(order.settings).items() if used.get(name) != value}
    assert dropped <= {*rendered.made.ignored}
    clip, ratio = rendered.clip, used.get("aspectRatio")
    if ratio is not None and ":" in ratio and clip.width is not None and clip.height is not None:
        width, height = map(float, ratio.split(":"))
        assert clip.width / clip.height == pytest.approx(width / height, rel=0.02)


async def test_input_that_cannot_be_fetched_fails_the_order(
    make_provider: Maker, order: Order, models: Sequence[Model]
) -> None:
    """With the failure of the input; no clip is made without it, unless it is said to be ignored."""
    for file in some_inputs(models[0], order.workdir)[:1]:
        missing = MissingFile(order.workdir, file.role)
        try:
            ended = await result(make_provider, replace(order, inputs=(missing,)))
        except Failure as failure:
            ended = failure.code
        assert ended == "INPUT_GONE" if isinstance(ended, str) else "inputs.0" in ended.made.ignored
