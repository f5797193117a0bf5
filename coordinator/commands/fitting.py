"""Whether a model can do what is asked of it, found out before anything is bought."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from coordinator.commands import options
from coordinator.commands.catalogue import Models
from models.domain.errors import NotSupported
from models.domain.rules import DEFAULT_DURATION_SECONDS
from models.domain.settings import NAMES
from providers.catalogue import AudioSupport, InputRole, Model

MOST_ALTERNATIVES = 20
# Lengths that differ by less than this, in seconds, are the same.
SAME_SECONDS = 1e-6


class Asked(NamedTuple):
    """What is asked of a model. The settings are those of the scene and of its job as one, the inputs as stored.

    `duration_seconds` is None where the length is left to the model, `prompt` where there is none yet.
    """

    settings: Mapping[str, Any]
    inputs: Sequence[Mapping[str, Any]] = ()
    prompt: str | None = None
    duration_seconds: float | None = None


class Misfit(NamedTuple):
    """What a model cannot do: the place in the input of a scene, and what it would accept there, in words."""

    path: tuple[str, ...]
    message: str
    allowed: Sequence[str] = ()


def refusals(
    models: Models, provider: str, asked: Asked, path: Sequence[str], *, elsewhere: bool = False
) -> list[NotSupported]:
    """Return what the chosen model of the provider cannot do, with the place below `path`.

    The alternatives are models of the same provider, and with `elsewhere` also of the others.
    """
    name = asked.settings.get("model")
    model = models.find(provider, name)
    if model is None:
        known = [model_id(provider, each.name) for each in models.of.get(provider, ())]
        found = [Misfit(("settings", "model"), f"The provider {provider} has no such model.", known)]
        asked_id = _unknown_id(models, provider, name or "")
    else:
        found = list(misfits(model, asked))
        asked_id = model_id(provider, model.name)
    if not found:
        return []
    others = list(_alternatives(models, provider, asked, elsewhere=elsewhere))
    return [
        NotSupported(each.message, [*path, *each.path], model=asked_id, allowed=each.allowed, alternatives=others)
        for each in found
    ]


def model_id(provider: str, name: str) -> str:
    """Return the public id of a model."""
    return f"{provider}/{name}"


def _unknown_id(models: Models, provider: str, name: str) -> str:
    """Return the id of a model that the provider does not have; it may be the id of a model of another one."""
    return name if name.partition("/")[0] in models.of else model_id(provider, name)


def can_do(model: Model, asked: Asked) -> bool:
    """Return whether the model can do all that is asked."""
    return next(misfits(model, asked), None) is None


def default_duration(model: Model | None) -> float:
    """Return the length, in seconds, of a scene that names none: the usual one, or the nearest of the model."""
    if model is None:
        return DEFAULT_DURATION_SECONDS
    if model.durations_seconds:
        return min(model.durations_seconds, key=lambda each: (abs(each - DEFAULT_DURATION_SECONDS), each))
    return min(max(DEFAULT_DURATION_SECONDS, model.min_duration_seconds), model.max_duration_seconds)


def misfits(model: Model, asked: Asked) -> Iterator[Misfit]:
    """Yield what the model cannot do, in the order of the input's fields."""
    yield from _prompt(model, asked.prompt)
    yield from _duration(model, asked.duration_seconds)
    settings = asked.settings
    if settings:
        for check in (_aspect_ratio, _resolution, _seed, _negative_prompt, _audio, _options):
            yield from check(model, settings)
    yield from _roles(model, asked.inputs)


def _alternatives(models: Models, provider: str, asked: Asked, *, elsewhere: bool) -> Iterator[str]:
    others = [name for name in models.of if name != provider] if elsewhere else []
    number = 0
    for name in (provider, *others):
        for model in models.of.get(name, ()):
            if model.available and can_do(model, asked):
                yield model_id(name, model.name)
                number += 1
                if number == MOST_ALTERNATIVES:
                    return


def _prompt(model: Model, prompt: str | None) -> Iterator[Misfit]:
    most = model.max_prompt_length
    if prompt is not None and most is not None and len(prompt) > most:
        yield Misfit(("prompt",), f"The prompt is longer than the model takes: {most} characters.", [_at_most(most)])


def _duration(model: Model, seconds: float | None) -> Iterator[Misfit]:
    if seconds is None:
        return
    if model.durations_seconds is not None:
        fits = any(abs(seconds - each) < SAME_SECONDS for each in model.durations_seconds)
        allowed = [f"{each:g}" for each in model.durations_seconds]
    else:
        least, most = model.min_duration_seconds, model.max_duration_seconds
        fits = least - SAME_SECONDS < seconds < most + SAME_SECONDS
        allowed = [f"{least:g} to {most:g}"]
    if not fits:
        yield Misfit(("durationSeconds",), f"The model makes no clips of {seconds:g} seconds.", allowed)


def _aspect_ratio(model: Model, settings: Mapping[str, Any]) -> Iterator[Misfit]:
    ratio = settings.get("aspect_ratio")
    if ratio is None or ratio in model.aspect_ratios:
        return
    if model.aspect_ratios:
        yield _setting("aspect_ratio", f"The model makes no clips of {ratio}.", model.aspect_ratios)
    elif ":" not in ratio:
        yield _setting("aspect_ratio", f"The model does not know the aspect ratio {ratio}.", ["any, such as 16:9"])


def _resolution(model: Model, settings: Mapping[str, Any]) -> Iterator[Misfit]:
    resolution = settings.get("resolution")
    if resolution is not None and model.resolutions and resolution not in model.resolutions:
        yield _setting("resolution", f"The model makes no clips of {resolution}.", model.resolutions)


def _seed(model: Model, settings: Mapping[str, Any]) -> Iterator[Misfit]:
    if settings.get("seed") is not None and not model.seed:
        yield _setting("seed", "The model takes no seed.")


def _negative_prompt(model: Model, settings: Mapping[str, Any]) -> Iterator[Misfit]:
    if settings.get("negative_prompt") is not None and not model.negative_prompt:
        yield _setting("negative_prompt", "The model takes no negative prompt.")


def _audio(model: Model, settings: Mapping[str, Any]) -> Iterator[Misfit]:
    audio = settings.get("audio")
    if audio and model.audio is AudioSupport.NEVER:
        yield _setting("audio", "The model makes no sound.", ["false"])
    elif audio is False and model.audio is AudioSupport.ALWAYS:
        yield _setting("audio", "The clips of the model always have sound.", ["true"])


def _options(model: Model, settings: Mapping[str, Any]) -> Iterator[Misfit]:
    given = settings.get("options")
    if not given:
        return
    schema = model.options_schema
    if schema is None:
        yield _setting("options", "The model has no options.")
        return
    names = cast("Mapping[str, Any]", schema.get("properties") or {})
    for problem in options.problems(schema, given):
        yield Misfit(("settings", "options", *problem.path), problem.message, [] if problem.path else sorted(names))


def _roles(model: Model, inputs: Sequence[Mapping[str, Any]]) -> Iterator[Misfit]:
    references = 0
    before: set[str] = set()
    for index, given in enumerate(inputs):
        role = InputRole(given["role"])
        place = ("inputs", str(index), "role")
        if role not in model.roles:
            yield Misfit(place, f"The model takes no input of the role {role}.", model.roles)
            continue
        references += role is InputRole.REFERENCE
        if role is InputRole.REFERENCE and references == model.max_references + 1:
            message = f"The model takes at most {model.max_references} references."
            yield Misfit(place, message, [_at_most(model.max_references)])
        for roles in model.exclusive:
            others = sorted(before & roles - {role})
            if role in roles and others and role not in before:
                message = f"The model takes no input of the role {role} beside one of the role {others[0]}."
                yield Misfit(place, message, [each for each in model.roles if each not in roles])
        before.add(role)


def _setting(name: str, message: str, allowed: Sequence[str] = ()) -> Misfit:
    return Misfit(("settings", NAMES[name]), message, allowed)


def _at_most(number: int) -> str:
    return f"at most {number}"
