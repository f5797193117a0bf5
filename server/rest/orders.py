"""What REST calls ask of a model: settings, inputs, and the body of a regenerate."""

from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, field_validator

from coordinator.commands.inputs import SceneEdit


def _lower_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class Settings(BaseModel):
    """What clips are to be like; null takes a setting away. Fields as those of RenderSettings in the GraphQL schema."""

    model_config = ConfigDict(strict=True)

    model: str | None = None
    aspect_ratio: str | None = None
    resolution: Literal["p360", "p480", "p720", "p1080", "p1440", "p2160"] | None = None
    seed: int | None = None
    negative_prompt: str | None = None
    audio: bool | None = None
    options: dict[str, Any] | None = None

    _any_case = field_validator("resolution", mode="before")(_lower_case)

    def given(self) -> dict[str, Any]:
        """Return the settings that were given, null included, by their stored names."""
        found = {name: getattr(self, name) for name in self.model_fields_set}
        if self.resolution is not None:
            found["resolution"] = self.resolution.upper()
        return found


class Input(BaseModel):
    """A file that the clip is made from: exactly one of `asset_id` and `take_id`."""

    model_config = ConfigDict(strict=True)

    role: Literal["first_frame", "last_frame", "reference", "source_video", "reference_audio"]
    name: str | None = None
    asset_id: str | None = None
    take_id: str | None = None
    at_seconds: float | None = None

    _any_case = field_validator("role", mode="before")(_lower_case)

    def given(self) -> dict[str, Any]:
        """Return the fields that were given, by their stored names."""
        return self.model_dump(exclude_none=True) | {"role": self.role.upper()}


class Ordered(BaseModel):
    """The fields of a scene that say what is asked of its model, besides the prompt."""

    settings: Settings | None = None
    inputs: list[Input] | None = None

    def asked(self) -> SceneEdit:
        """Return the fields that were given; null takes all settings or inputs away."""
        edit = SceneEdit()
        if "settings" in self.model_fields_set:
            edit["settings"] = None if self.settings is None else self.settings.given()
        if "inputs" in self.model_fields_set:
            edit["inputs"] = None if self.inputs is None else [each.given() for each in self.inputs]
        return edit


class Regenerate(Ordered):
    """The body of a regenerate, which may be left out. Absent fields stay as they are; unknown fields are ignored."""

    model_config = ConfigDict(strict=True)

    prompt: str | None = None


def without_orders(fields: dict[str, Any]) -> SceneEdit:
    """Return the other fields of an edit."""
    return cast("SceneEdit", {name: value for name, value in fields.items() if name not in Ordered.model_fields})
