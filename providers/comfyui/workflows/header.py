"""The header of a workflow template: which inputs of which nodes are filled, and what the model can do."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from providers.catalogue import AudioSupport, InputRole, Resolution
from providers.comfyui.values import items

# Seconds.
LONGEST_CLIP = 3600.0


class Place(NamedTuple):
    """An input of a node of the workflow."""

    node: str
    input: str

    def __str__(self) -> str:
        return f"{self.node}.{self.input}"


def _place(value: object) -> Place:
    # Ids of nodes have no dots; names of inputs may have some.
    node, _, name = value.partition(".") if isinstance(value, str) else ("", "", "")
    if not (node and name):
        raise ValueError('is not a node and its input, such as "6.text"')
    return Place(node, name)


def _places(value: object) -> tuple[Place, ...]:
    return tuple(map(_place, items(value) or [value]))


Places = Annotated[tuple[Place, ...], BeforeValidator(_places)]
AspectRatio = Annotated[str, Field(pattern=r"^[1-9]\d{0,2}:[1-9]\d{0,2}$")]
Seconds = Annotated[float, Field(gt=0, le=LONGEST_CLIP)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Slots(_Part):
    """Where the values of an order go; each one place or a list of them. What an order leaves open stays as it is."""

    prompt: Places
    title: Places = ()
    negative_prompt: Places = ()
    seed: Places = ()
    width: Places = ()
    height: Places = ()
    frames: Places = ()
    fps: Places = ()
    duration_seconds: Places = ()
    audio: Places = ()


class Frames(_Part):
    """The numbers of frames that the model makes: multiples of `multiple_of`, and `plus` more."""

    multiple_of: int = Field(default=1, ge=1, le=1000)
    plus: int = Field(default=0, ge=0, le=1000)


class Option(_Part):
    """A further setting of the model: where it goes, and the JSON schema of its value."""

    slot: Places
    schema_: Mapping[str, object] = Field(alias="schema")


class Header(_Part):
    """What the operator says of a workflow. `output` is the node whose clip counts, if there are several.

    `without` names nodes that are left out, besides those that load it, when an order has no input of a role;
    `progress` weighs nodes by how long they take, by default as many as their input `steps` says, or 1.
    """

    slots: Slots
    inputs: Mapping[InputRole, Places] = Field(default_factory=dict[InputRole, Places])
    required: tuple[InputRole, ...] = ()
    without: Mapping[InputRole, tuple[str, ...]] = Field(default_factory=dict[InputRole, tuple[str, ...]])
    exclusive: tuple[frozenset[InputRole], ...] = ()
    options: Mapping[str, Option] = Field(default_factory=dict[str, Option])
    min_duration_seconds: Seconds | None = None
    max_duration_seconds: Seconds | None = None
    durations_seconds: tuple[Seconds, ...] = ()
    fps: float = Field(default=0.0, ge=0, le=240)
    frames: Frames = Frames()
    aspect_ratios: tuple[AspectRatio, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    multiple_of: int = Field(default=16, ge=1, le=256)
    max_prompt_length: int | None = Field(default=None, ge=1)
    audio: AudioSupport = AudioSupport.NEVER
    output: str | None = None
    progress: Mapping[str, float] = Field(default_factory=dict[str, float])

    @property
    def durations(self) -> tuple[float, float]:
        """The shortest and the longest clip, in seconds."""
        if self.durations_seconds:
            return min(self.durations_seconds), max(self.durations_seconds)
        return self.min_duration_seconds or 0.0, self.max_duration_seconds or 0.0

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        shortest, longest = self.durations
        if not 0 < shortest <= longest:
            raise ValueError("needs durations_seconds, or min_duration_seconds and max_duration_seconds")
        if shortest != longest and not (self.slots.frames or self.slots.duration_seconds):
            raise ValueError("has several durations, so slots needs frames or duration_seconds")
        if self.slots.frames and not self.fps:
            raise ValueError("has a slot for frames, so it needs fps")
        return self

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if bool(self.slots.width) != bool(self.slots.height):
            raise ValueError("slots needs both width and height, or none")
        if (self.aspect_ratios or self.resolutions) and not self.slots.width:
            raise ValueError("has aspect_ratios or resolutions, so slots needs width and height")
        return self

    @model_validator(mode="after")
    def _check_sound_and_roles(self) -> Self:
        if (self.audio is AudioSupport.OPTIONAL) != bool(self.slots.audio):
            raise ValueError("audio is OPTIONAL if and only if slots has audio")
        unknown = {*self.required, *self.without, *(role for roles in self.exclusive for role in roles)} - {
            *self.inputs
        }
        if unknown:
            raise ValueError(f"inputs has no {', '.join(sorted(unknown))}")
        return self

    @property
    def places(self) -> Mapping[str, Places]:
        """All places, each with the field of the header that names it."""
        slots = {f"slots.{name}": getattr(self.slots, name) for name in Slots.model_fields}
        inputs = {f"inputs.{role}": places for role, places in self.inputs.items()}
        return slots | inputs | {f"options.{name}.slot": option.slot for name, option in self.options.items()}
