"""The input of a model by its own schema: which of its fields is the length, the seed, the first frame and so on.

Models name their fields alike, but not the same. What has no meaning here is an option of the model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from providers.catalogue import ANY_DURATION_SECONDS, AudioSupport, InputRole, Model, Resolution, Settings
from providers.hosted.lengths import Length, length_of
from providers.hosted.schema import Field, Schema, fields_of, resolution_of
from providers.port import Failure, Order

PROMPT = ("prompt", "text_prompt", "text")
ASPECT_RATIO = ("aspect_ratio", "ratio", "video_aspect_ratio")
RESOLUTION = ("resolution", "video_resolution", "output_resolution")
SEED = ("seed",)
NEGATIVE_PROMPT = ("negative_prompt",)
AUDIO = ("generate_audio", "enable_audio", "with_audio", "generate_sound", "sound")
SINGLE = {
    InputRole.FIRST_FRAME: (
        *("first_frame", "first_frame_image", "first_frame_url", "first_frame_image_url", "start_frame", "start_image"),
        *("start_image_url", "image", "image_url", "input_image", "img_url"),
    ),
    InputRole.LAST_FRAME: (
        *("last_frame", "last_frame_image", "last_frame_url", "last_frame_image_url", "last_image", "last_image_url"),
        *("end_frame", "end_image", "end_image_url", "tail_image", "tail_image_url"),
    ),
    InputRole.SOURCE_VIDEO: ("video", "video_url", "input_video", "source_video", "reference_video"),
    InputRole.REFERENCE_AUDIO: ("audio", "audio_url", "input_audio", "reference_audio", "audio_file"),
}
REFERENCES = (
    *("reference_images", "reference_image_urls", "image_urls", "images", "input_images", "subject_images"),
    *("reference_image", "reference_image_url", "subject_reference", "subject_image", "subject_image_url"),
)
# A list without a bound; more are refused by the model.
MOST_REFERENCES = 16
# Fields of the service, which change how a result is delivered.
HIDDEN = ("sync_mode", "webhook", "webhook_url")


@dataclass(frozen=True, slots=True)
class Mapped:
    """The fields of a model's input by their meaning; None where it has no such field."""

    prompt: Field
    length: Length | None
    aspect_ratio: Field | None
    resolution: Field | None
    seed: Field | None
    negative_prompt: Field | None
    audio: Field | None
    files: Mapping[InputRole, Field]
    options: Mapping[str, Field]

    def model(self, name: str) -> Model:
        """Return what the model can do."""
        seconds = self.length.seconds if self.length else None
        least, most = self.length.bounds if self.length else ANY_DURATION_SECONDS
        references = self.files.get(InputRole.REFERENCE)
        return Model(
            name,
            least,
            most,
            durations_seconds=seconds,
            aspect_ratios=_words(self.aspect_ratio),
            resolutions=tuple(dict.fromkeys(_resolutions(self.resolution))),
            roles=tuple(role for role in InputRole if role in self.files),
            max_references=_most_references(references),
            seed=self.seed is not None,
            negative_prompt=self.negative_prompt is not None,
            audio=AudioSupport.NEVER if self.audio is None else AudioSupport.OPTIONAL,
            max_prompt_length=self.prompt.whole("maxLength"),
            options_schema=self._options_schema(),
            defaults=self._defaults(name),
        )

    def input(self, order: Order, seed: int | None, files: Mapping[int, str]) -> dict[str, object]:
        """Return the input for an order: `files` are the addresses of its inputs by their index.

        Raises Failure (INVALID_INPUT) when the model has no place for something that is asked, before it is bought.
        """
        made: dict[str, object] = dict(order.settings.options)
        unknown = sorted(set(made) - set(self.options))
        if unknown:
            raise unsupported(f"The model has no option {unknown[0]}.")
        made[self.prompt.name] = order.prompt
        if self.length is not None:
            made |= self.length.input(order.duration_seconds, order.settings.options)
        for field, value in self._asked(order.settings, seed):
            made[field.name] = value
        for role, field in self.files.items():
            given = [files[index] for index, each in enumerate(order.inputs) if each.role is role and index in files]
            if given:
                made[field.name] = given if field.is_list_of_files else given[0]
        return made

    def check(self, order: Order) -> None:
        """Raise Failure (INVALID_INPUT) when the model cannot do what is asked, or needs what the order lacks."""
        made = self.input(order, 0, dict.fromkeys(range(len(order.inputs)), ""))
        for given in order.inputs:
            if given.role not in self.files:
                raise unsupported(f"The model takes no input of the role {given.role}.")
        for role, field in self.files.items():
            most = _most_references(field) if role is InputRole.REFERENCE else 1
            if sum(given.role is role for given in order.inputs) > most:
                raise unsupported(f"The model takes no more than {most} inputs of the role {role}.")
        for field in (*self.files.values(), *self.options.values()):
            if field.required and field.name not in made:
                raise unsupported(f"The model needs {_label(self, field)}.")

    def ignored(self, order: Order) -> tuple[str, ...]:
        """Return what has no effect because the model decides it: the length, the ratio, the resolution."""
        asked = {
            "durationSeconds": self.length is None,
            "aspectRatio": self.aspect_ratio is None and order.settings.aspect_ratio is not None,
            "resolution": self.resolution is None and order.settings.resolution is not None,
        }
        return tuple(name for name, without_effect in asked.items() if without_effect)

    def seed_for(self, seed: int) -> int:
        """Return a seed within the bounds of the model."""
        least = max(0, (self.seed.whole("minimum") or 0) if self.seed else 0)
        most = self.seed.whole("maximum") if self.seed else None
        return seed if most is None or least <= seed <= most else least + seed % max(1, most - least + 1)

    def _asked(self, settings: Settings, seed: int | None) -> Iterator[tuple[Field, object]]:
        if seed is not None and self.seed is not None:
            yield self.seed, seed
        if settings.aspect_ratio is not None and self.aspect_ratio is not None:
            if _words(self.aspect_ratio) and settings.aspect_ratio not in _words(self.aspect_ratio):
                raise unsupported(f"The model makes no clips of {settings.aspect_ratio}.")
            yield self.aspect_ratio, settings.aspect_ratio
        if settings.resolution is not None and self.resolution is not None:
            raw = [each for each in self.resolution.choices if resolution_of(each) is settings.resolution]
            if not raw:
                raise unsupported(f"The model makes no clips of {settings.resolution}.")
            yield self.resolution, raw[0]
        if settings.negative_prompt is not None:
            yield _present(self.negative_prompt, "negative prompt"), settings.negative_prompt
        if settings.audio is not None and (self.audio is not None or settings.audio):
            yield _present(self.audio, "sound"), settings.audio

    def _options_schema(self) -> Schema | None:
        if not self.options:
            return None
        properties = {name: dict(field.schema) for name, field in self.options.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def _defaults(self, name: str) -> Settings:
        ratio = self.aspect_ratio.default if self.aspect_ratio else None
        audio = self.audio.default if self.audio else None
        return Settings(
            model=name,
            aspect_ratio=ratio if isinstance(ratio, str) and ratio in _words(self.aspect_ratio) else None,
            resolution=resolution_of(self.resolution.default) if self.resolution else None,
            audio=audio if isinstance(audio, bool) else None,
        )


def mapped(document: Schema, schema: object) -> Mapped:
    """Return the meaning of the fields of a schema in an OpenAPI document. Raises ValueError for an unusable one."""
    fields = {name: field for name, field in fields_of(document, schema).items() if name not in HIDDEN}
    prompt = _first(fields, PROMPT)
    if prompt is None or prompt.type != "string":
        raise ValueError("the model takes no prompt")
    length = length_of(fields)
    resolution = _first(fields, RESOLUTION)
    files = dict(_files(fields))
    found = Mapped(
        prompt=prompt,
        length=length,
        aspect_ratio=_first(fields, ASPECT_RATIO, "string"),
        resolution=resolution if list(_resolutions(resolution)) else None,
        seed=_first(fields, SEED, "integer"),
        negative_prompt=_first(fields, NEGATIVE_PROMPT, "string"),
        audio=_first(fields, AUDIO, "boolean"),
        files=files,
        options={},
    )
    known = [found.prompt, found.aspect_ratio, found.resolution, found.seed, found.negative_prompt, found.audio]
    used = {field.name for field in (*known, *files.values()) if field} | (length.names if length else set[str]())
    return replace(found, options={name: field for name, field in fields.items() if name not in used})


def unsupported(message: str) -> Failure:
    """Return the failure of an order that its model cannot make; nothing was bought."""
    return Failure("INVALID_INPUT", message, retryable=False)


def _first(fields: Mapping[str, Field], names: Sequence[str], kind: str = "") -> Field | None:
    return next((fields[name] for name in names if name in fields and kind in ("", fields[name].type)), None)


def _files(fields: Mapping[str, Field]) -> Iterator[tuple[InputRole, Field]]:
    for role, names in SINGLE.items():
        found = next((fields[name] for name in names if name in fields and fields[name].is_file), None)
        if found is not None:
            yield role, found
    for name in REFERENCES:
        if name in fields and (fields[name].is_list_of_files or fields[name].is_file):
            yield InputRole.REFERENCE, fields[name]
            return


def _most_references(field: Field | None) -> int:
    if field is None:
        return 0
    return 1 if not field.is_list_of_files else min(field.whole("maxItems") or MOST_REFERENCES, MOST_REFERENCES)


def _words(field: Field | None) -> tuple[str, ...]:
    return tuple(each for each in field.choices if isinstance(each, str)) if field else ()


def _resolutions(field: Field | None) -> Iterator[Resolution]:
    for each in field.choices if field else ():
        found = resolution_of(each)
        if found is not None:
            yield found


def _present(field: Field | None, what: str) -> Field:
    if field is None:
        raise unsupported(f"The model takes no {what}.")
    return field


def _label(found: Mapped, field: Field) -> str:
    role = next((role for role, each in found.files.items() if each is field), None)
    return f"an input of the role {role}" if role else f"the option {field.name}"
