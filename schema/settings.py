"""RenderSettings: what a clip is to be like, or was made with; and the inputs of settings and of files."""

from collections.abc import Mapping
from typing import Any, ClassVar

import strawberry

from coordinator.commands.fitting import model_id
from execution.versions import VersionedColumns
from models.domain.access import EXTERNAL
from models.domain.settings import NAMES
from schema.enums import InputRole, Resolution
from schema.scalars import JSONObject, SafeInt, safe_int

_MODEL = 'Id of a model of the provider, such as "local/landscape".'
_ASPECT_RATIO = "Ratio of width to height, such as 16:9."
_SEED = (
    "0 to 4294967295. The same seed with the same prompt, settings and inputs gives the same clip, if the model is "
    "deterministic."
)
_OPTIONS = (
    "Options of the model, which must match Model.optionsSchema; inherited and replaced as a whole, like every setting."
)


@strawberry.type(description="Settings of a render. Null leaves the choice to the model.")
class RenderSettings:
    """Made by `render_settings`."""

    versioned_columns: ClassVar = VersionedColumns()

    model: str | None = strawberry.field(description="The id of the model; null for the provider's default.")
    aspect_ratio: str | None = strawberry.field(description=_ASPECT_RATIO)
    resolution: Resolution | None
    seed: SafeInt | None = strawberry.field(description=_SEED)
    negative_prompt: str | None
    audio: bool | None = strawberry.field(description="Whether the clip has sound.")
    options: JSONObject = strawberry.field(description=_OPTIONS)


def render_settings(provider: str, stored: Mapping[str, Any] | None) -> RenderSettings:
    """Return stored settings, with the model by its id; in external jobs it is as it was given."""
    found = stored or {}
    name, resolution = found.get("model"), found.get("resolution")
    return RenderSettings(
        model=name if name is None or provider == EXTERNAL else model_id(provider, name),
        aspect_ratio=found.get("aspect_ratio"),
        # One that this program does not know was stored by a newer one.
        resolution=next((each for each in Resolution if each == resolution), None),
        seed=safe_int(found.get("seed")),
        negative_prompt=found.get("negative_prompt"),
        audio=found.get("audio"),
        options=JSONObject(found.get("options") or {}),
    )


@strawberry.input(
    description=(
        "Settings of renders. An omitted or null setting is inherited from the job, else from the model. In an update "
        "an omitted setting keeps its value, and null removes it; null in place of the object removes all settings."
    )
)
class RenderSettingsInput:
    """Part of the inputs of jobs and scenes."""

    model: str | None = strawberry.field(default=strawberry.UNSET, description=_MODEL)
    aspect_ratio: str | None = strawberry.field(default=strawberry.UNSET, description=_ASPECT_RATIO)
    resolution: Resolution | None = strawberry.UNSET
    seed: SafeInt | None = strawberry.field(default=strawberry.UNSET, description=_SEED)
    negative_prompt: str | None = strawberry.UNSET
    audio: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether the clip has sound, if the model supports both."
    )
    options: JSONObject | None = strawberry.field(default=strawberry.UNSET, description=_OPTIONS)

    def given(self) -> dict[str, Any]:
        """Return the settings that were given, null included, by their stored names."""
        fields = {name: getattr(self, name) for name in NAMES}
        return {
            name: str(value) if isinstance(value, Resolution) else value
            for name, value in fields.items()
            if value is not strawberry.UNSET
        }


@strawberry.input(
    description=(
        "An input file of the clip: exactly one of assetId and takeId. A take provides the frame of its clip at "
        "atSeconds (the last frame when omitted) or, with the role SOURCE_VIDEO, its clip."
    )
)
class RenderInputInput:
    """Part of the inputs of scenes."""

    role: InputRole
    name: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The name by which the prompt refers to the file; 1 to 200 characters, unique in the scene.",
    )
    asset_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "An asset that is READY: an IMAGE as FIRST_FRAME, LAST_FRAME or REFERENCE, a VIDEO as SOURCE_VIDEO, an "
            "AUDIO as REFERENCE_AUDIO."
        ),
    )
    take_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="A completed take of a job of the same owner."
    )
    at_seconds: float | None = strawberry.field(
        default=strawberry.UNSET, description="Time of the frame in the clip of the take, in seconds."
    )

    def given(self) -> dict[str, Any]:
        """Return the fields that were given, by their stored names."""
        fields = {
            "role": str(self.role),
            "name": self.name,
            "asset_id": self.asset_id,
            "take_id": self.take_id,
            "at_seconds": self.at_seconds,
        }
        return {name: value for name, value in fields.items() if value not in (strawberry.UNSET, None)}
