"""The vocabulary of orders and models: what can be asked for, and what a model can do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache


class InputRole(StrEnum):
    """What a file is to the clip."""

    FIRST_FRAME = "FIRST_FRAME"
    LAST_FRAME = "LAST_FRAME"
    REFERENCE = "REFERENCE"
    SOURCE_VIDEO = "SOURCE_VIDEO"
    REFERENCE_AUDIO = "REFERENCE_AUDIO"


class Resolution(StrEnum):
    """The length of the shorter side, in pixels."""

    P360 = "P360"
    P480 = "P480"
    P720 = "P720"
    P1080 = "P1080"
    P1440 = "P1440"
    P2160 = "P2160"


class AudioSupport(StrEnum):
    """Whether clips of a model have sound."""

    NEVER = "NEVER"
    OPTIONAL = "OPTIONAL"
    ALWAYS = "ALWAYS"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a clip is to be like; None leaves the choice to the model. `model` is the name without the provider.

    `aspect_ratio` is width to height, such as "16:9". `seed` is in 0..4294967295. `options` fit the JSON schema of the
    model.
    """

    model: str | None = None
    aspect_ratio: str | None = None
    resolution: Resolution | None = None
    seed: int | None = None
    negative_prompt: str | None = None
    audio: bool | None = None
    options: Mapping[str, object] = field(default_factory=dict[str, object])


NO_SETTINGS = Settings()


@dataclass(frozen=True, slots=True)
class Model:
    """What one model of a provider can do. Durations are in seconds; those listed are the only ones.

    Empty `aspect_ratios` or `resolutions` mean that the model takes any, or decides by itself: a provider that cannot
    obey a setting says so in `Made.ignored`. `exclusive` are sets of roles no two of which can be used together.
    `max_references` counts the inputs of the role REFERENCE. `defaults` are the settings of an order that names none. A
    model that is not `available` cannot be used now, for `unavailable_reason`.
    """

    name: str
    min_duration_seconds: float
    max_duration_seconds: float
    durations_seconds: tuple[float, ...] | None = None
    aspect_ratios: tuple[str, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    roles: tuple[InputRole, ...] = ()
    max_references: int = 0
    exclusive: tuple[frozenset[InputRole], ...] = ()
    seed: bool = False
    negative_prompt: bool = False
    audio: AudioSupport = AudioSupport.NEVER
    max_prompt_length: int | None = None
    options_schema: Mapping[str, object] | None = None
    defaults: Settings = NO_SETTINGS
    available: bool = True
    unavailable_reason: str | None = None


# The lengths, in seconds, that a scene can ask for.
ANY_DURATION_SECONDS = (0.5, 60.0)
DEFAULT_MODEL_NAME = "default"


def plain_model(name: str = DEFAULT_MODEL_NAME) -> Model:
    """Return a model that takes a prompt of any length and nothing else: that of a provider without `models`."""
    return Model(name, *ANY_DURATION_SECONDS)


# Each scene of a new job asks for it again.
@lru_cache(64)
def any_model(name: str = DEFAULT_MODEL_NAME) -> Model:
    """Return a model of which nothing is known, so that everything can be asked of it."""
    return Model(
        name,
        *ANY_DURATION_SECONDS,
        roles=tuple(InputRole),
        max_references=16,
        seed=True,
        negative_prompt=True,
        audio=AudioSupport.OPTIONAL,
        options_schema={"type": "object"},
    )
