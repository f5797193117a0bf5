"""What a model can do by OpenRouter's list, and the request that buys a clip of it.

The list describes lengths, ratios, resolutions, frames, sound and seed. `input_references` is a parameter of the API of
which the list says nothing: a model that takes none refuses the request, and nothing is bought.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from providers.catalogue import ANY_DURATION_SECONDS, AudioSupport, InputRole, Model, Resolution, Settings
from providers.hosted.mapping import unsupported
from providers.hosted.schema import is_object, resolution_of, seconds_of
from providers.hosted.seeds import seed_of
from providers.port import Order

MOST_REFERENCES = 16
_FRAMES = {"first_frame": InputRole.FIRST_FRAME, "last_frame": InputRole.LAST_FRAME}
# "If both fields are provided, frame_images takes precedence": the references would be dropped silently.
_EXCLUSIVE = tuple(frozenset((role, InputRole.REFERENCE)) for role in _FRAMES.values())


@dataclass(frozen=True, slots=True)
class Described:
    """A model of the list. `passed` are the parameters that it passes to the maker, as `provider` of the API."""

    name: str
    durations: tuple[float, ...]
    ratios: tuple[str, ...]
    resolutions: Mapping[Resolution, str]
    frames: tuple[InputRole, ...]
    audio: bool
    seed: bool
    passed: tuple[str, ...]

    @property
    def model(self) -> Model:
        """The model in the catalogue."""
        least, most = (self.durations[0], self.durations[-1]) if self.durations else ANY_DURATION_SECONDS
        return Model(
            self.name,
            least,
            most,
            durations_seconds=self.durations or None,
            aspect_ratios=self.ratios,
            resolutions=tuple(self.resolutions),
            roles=(*self.frames, InputRole.REFERENCE),
            max_references=MOST_REFERENCES,
            exclusive=tuple(each for each in _EXCLUSIVE if each & set(self.frames)),
            seed=self.seed,
            audio=AudioSupport.OPTIONAL if self.audio else AudioSupport.NEVER,
            options_schema=_options_schema(self.passed) if self.passed else None,
            defaults=Settings(model=self.name, audio=True if self.audio else None),
        )

    def request(self, order: Order, files: Mapping[int, str]) -> dict[str, object]:
        """Return the request for an order; `files` are the addresses of its inputs. Raises Failure (INVALID_INPUT)."""
        return {
            "model": self.name,
            "prompt": order.prompt,
            "duration": self._duration(order.duration_seconds),
            **dict(self._settings(order)),
            **dict(self._inputs(order, files)),
            **({"provider": order.settings.options["provider"]} if "provider" in order.settings.options else {}),
        }

    def _duration(self, seconds: float) -> int | float:
        if self.durations and seconds not in self.durations:
            raise unsupported(f"The model makes no clips of {seconds:g} seconds.")
        return int(seconds) if seconds.is_integer() else seconds

    def _settings(self, order: Order) -> Iterator[tuple[str, object]]:
        asked = order.settings
        if asked.aspect_ratio is not None:
            if self.ratios and asked.aspect_ratio not in self.ratios:
                raise unsupported(f"The model makes no clips of {asked.aspect_ratio}.")
            yield "aspect_ratio", asked.aspect_ratio
        if asked.resolution is not None:
            if self.resolutions and asked.resolution not in self.resolutions:
                raise unsupported(f"The model makes no clips of {asked.resolution}.")
            yield "resolution", self.resolutions.get(asked.resolution, f"{asked.resolution[1:]}p")
        if asked.audio is not None and self.audio:
            yield "generate_audio", asked.audio
        elif asked.audio:
            raise unsupported("The model makes no sound.")
        for name in asked.options:
            if name != "provider":
                raise unsupported(f"The model has no option {name}.")
        if self.seed:
            yield "seed", seed_of(order)
        elif asked.seed is not None:
            raise unsupported("The model takes no seed.")
        if asked.negative_prompt is not None:
            raise unsupported("The model takes no negative prompt.")

    def _inputs(self, order: Order, files: Mapping[int, str]) -> Iterator[tuple[str, object]]:
        frames: list[object] = []
        references: list[object] = []
        for index, given in enumerate(order.inputs):
            image = {"type": "image_url", "image_url": {"url": files.get(index, "")}}
            if given.role is InputRole.REFERENCE:
                references.append(image)
            elif given.role in self.frames:
                frame_type = next(name for name, role in _FRAMES.items() if role is given.role)
                frames.append({**image, "frame_type": frame_type})
            else:
                raise unsupported(f"The model takes no input of the role {given.role}.")
        if frames and references:
            raise unsupported("The model takes no references beside a first or last frame.")
        yield from (item for item in (("frame_images", frames), ("input_references", references)) if item[1])


def described(entry: object) -> Described | None:
    """Return a model of the list; None for an entry that names none."""
    if not is_object(entry) or not isinstance(name := entry.get("id"), str) or not name:
        return None
    resolutions = {found: text for text in _texts(entry, "supported_resolutions") if (found := resolution_of(text))}
    seconds = (seconds_of(each) for each in _items(entry, "supported_durations"))
    frames = _texts(entry, "supported_frame_images")
    return Described(
        name=name,
        durations=tuple(sorted({each for each in seconds if each is not None})),
        ratios=tuple(_texts(entry, "supported_aspect_ratios")),
        resolutions=resolutions,
        frames=tuple(role for text, role in _FRAMES.items() if text in frames),
        audio=entry.get("generate_audio") is True,
        seed=entry.get("seed") is True,
        passed=tuple(_texts(entry, "allowed_passthrough_parameters")),
    )


def _options_schema(passed: Sequence[str]) -> Mapping[str, object]:
    about = f'Options of the maker, by its slug: {{"options": {{slug: {{...}}}}}}. Known: {", ".join(passed)}.'
    return {
        "type": "object",
        "properties": {"provider": {"type": "object", "description": about}},
        "additionalProperties": False,
    }


def _items(entry: Mapping[str, object], name: str) -> Sequence[object]:
    found = entry.get(name)
    return cast("list[object]", found) if isinstance(found, list) else []


def _texts(entry: Mapping[str, object], name: str) -> Sequence[str]:
    return [each for each in _items(entry, name) if isinstance(each, str)]
