"""Model: what a provider can be asked for."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import strawberry

from coordinator.commands import fitting
from coordinator.commands.catalogue import Models
from coordinator.commands.fitting import Asked
from models.domain import settings
from models.domain.rules import Problems
from providers import catalogue
from schema.enums import AudioSupport, InputRole, Resolution
from schema.scalars import JSONObject
from schema.settings import RenderSettingsInput


@strawberry.type(description='A model of a provider, and what it supports; the id is "provider/model".')
class Model:
    """Made by `as_model`."""

    id: strawberry.ID
    provider: str
    name: str
    available: bool = strawberry.field(
        description="False when the model cannot be used now: credentials are missing, or no worker has it."
    )
    unavailable_reason: str | None
    durations_seconds: list[float] | None = strawberry.field(
        description="Supported lengths; null when every length from minimum to maximum is supported."
    )
    min_duration_seconds: float
    max_duration_seconds: float
    aspect_ratios: list[str] = strawberry.field(
        description="Supported aspect ratios, such as 16:9; empty when all are supported."
    )
    resolutions: list[Resolution] = strawberry.field(description="Supported resolutions; empty when all are supported.")
    roles: list[InputRole] = strawberry.field(description="Supported roles of input files.")
    max_references: int = strawberry.field(description="Maximum number of inputs with the role REFERENCE.")
    exclusive: list[list[InputRole]] = strawberry.field(description="Sets of mutually exclusive roles.")
    seed: bool = strawberry.field(description="Whether the model supports a seed.")
    negative_prompt: bool = strawberry.field(description="Whether the model supports a negative prompt.")
    audio: AudioSupport
    max_prompt_length: int | None = strawberry.field(
        description="Maximum length of a prompt in characters; null when only the general limit applies."
    )
    options_schema: JSONObject | None = strawberry.field(
        description="JSON Schema of RenderSettings.options; null when the model has no options."
    )


def as_model(provider: str, model: catalogue.Model) -> Model:
    """Return a model of a provider."""
    schema = model.options_schema
    return Model(
        id=strawberry.ID(fitting.model_id(provider, model.name)),
        provider=provider,
        name=model.name,
        available=model.available,
        unavailable_reason=model.unavailable_reason,
        durations_seconds=None if model.durations_seconds is None else list(model.durations_seconds),
        min_duration_seconds=model.min_duration_seconds,
        max_duration_seconds=model.max_duration_seconds,
        aspect_ratios=list(model.aspect_ratios),
        resolutions=list(model.resolutions),
        roles=list(model.roles),
        max_references=model.max_references,
        exclusive=[sorted(roles) for roles in model.exclusive],
        seed=model.seed,
        negative_prompt=model.negative_prompt,
        audio=model.audio,
        max_prompt_length=model.max_prompt_length,
        options_schema=None if schema is None else JSONObject(dict(schema)),
    )


def models_by_id(models: Models, ids: Sequence[str]) -> list[Model]:
    """Return those of these models that there are, in this order."""
    known = {each.id: each for each in _all(models)}
    return [known[strawberry.ID(each)] for each in ids if each in known]


class ModelQuery(NamedTuple):
    """What a model has to be able to do."""

    name: str | None
    """The model's name, or its id; None: any."""
    asked: Asked


def model_query(fits: RenderSettingsInput | None, roles: Sequence[InputRole] | None) -> ModelQuery:
    """Return what these arguments ask of a model. Raises DomainErrors for settings that no model can have."""
    given = {} if fits is None else fits.given()
    problems = Problems()
    settings.check(problems, given, ["fits"])
    problems.check()
    edited = settings.edited(None, given) or {}
    name = edited.pop("model", None)
    return ModelQuery(name, Asked(edited, [{"role": each} for each in roles or ()]))


def fitting_models(models: Models, provider: str | None, query: ModelQuery) -> list[Model]:
    """Return the models, those of one provider only if it is given, that can do all of this."""
    return [
        as_model(of, model)
        for of, found in models.of.items()
        if provider in (None, of)
        for model in found
        if query.name in (None, model.name, fitting.model_id(of, model.name)) and fitting.can_do(model, query.asked)
    ]


def _all(models: Models) -> Iterator[Model]:
    for provider, found in models.of.items():
        for model in found:
            yield as_model(provider, model)
