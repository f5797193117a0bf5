"""The inputs of operations on scenes, and their conversion to the coordinator's inputs; what those on jobs share."""

from functools import partial
from itertools import compress
from operator import is_not
from typing import Any, TypeVar, cast

import strawberry

from coordinator.commands.inputs import NewScene, ReportedFailure, SceneEdit, SceneTarget
from schema.enums import SceneStatus
from schema.scalars import JSONObject
from schema.settings import RenderInputInput, RenderSettingsInput

T = TypeVar("T")

UPDATE = "An omitted field keeps its value; null clears a nullable field. metadata is replaced as a whole."
EXPECTED_JOB_VERSION = "Fail with STALE_VERSION unless Job.version has this value."
_EXPECTED_SCENE_VERSION = "Fail with STALE_VERSION unless Scene.version has this value."
IDEMPOTENCY_KEY = (
    "A retry with the same key and the same input within 24 hours returns the first result and changes nothing; "
    "another input with the same key fails with IDEMPOTENCY_CONFLICT."
)
_OWN_JOB = "When given, fail with SCENE_NOT_IN_JOB unless the scene belongs to this job."
METADATA = "The client's own data; at most 16 KiB of JSON."
TITLE = "1 to 200 characters."
_PROMPT = "1 to 4,000 characters, in one or several lines."
_SETTINGS = "Settings of the scene; an omitted setting is inherited from the job."
_INPUTS = "Input files of the scene, at most 16; they replace the previous ones. Null or [] removes all."
_DURATION = "Length of the clip, 0.5 to 60 seconds."


_is_given = partial(is_not, strawberry.UNSET)


def given(value: T | None) -> T | None:
    """Return the value of an argument, or None when it was omitted."""
    return None if value is strawberry.UNSET else value


def edit_of(source: object, *names: str) -> dict[str, Any]:
    """Return the named fields that were given, null included."""
    fields = vars(source)
    values = list(map(fields.__getitem__, names))
    return dict(compress(zip(names, values, strict=True), map(_is_given, values)))


def given_settings(settings: RenderSettingsInput | None) -> dict[str, Any] | None:
    """Return the settings that were given; None for null and for an omitted argument."""
    found = given(settings)
    return None if found is None else found.given()


def given_inputs(inputs: list[RenderInputInput] | None) -> list[dict[str, Any]] | None:
    """Return the inputs that were given; None for null and for an omitted argument."""
    found = given(inputs)
    return None if found is None else [each.given() for each in found]


def asked(settings: RenderSettingsInput | None, inputs: list[RenderInputInput] | None) -> SceneEdit:
    """Return the edit of these arguments, as far as they were given; null takes all of them away."""
    edit = SceneEdit()
    if settings is not strawberry.UNSET:
        edit["settings"] = given_settings(settings)
    if inputs is not strawberry.UNSET:
        edit["inputs"] = given_inputs(inputs)
    return edit


@strawberry.input(description="A new scene.")
class NewSceneInput:
    """Part of createJob and addScene."""

    prompt: str = strawberry.field(description=_PROMPT)
    title: str | None = strawberry.field(default=strawberry.UNSET, description=TITLE)
    duration_seconds: float | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_DURATION} When omitted, 5 s or the nearest length of the model."
    )
    metadata: JSONObject | None = strawberry.field(default=strawberry.UNSET, description=METADATA)

    settings: RenderSettingsInput | None = strawberry.field(default=strawberry.UNSET, description=_SETTINGS)
    inputs: list[RenderInputInput] | None = strawberry.field(default=strawberry.UNSET, description=_INPUTS)

    def new_scene(self) -> NewScene:
        """Convert to the coordinator's input."""
        return NewScene(
            self.prompt,
            given(self.title),
            given(self.duration_seconds),
            given(self.metadata),
            given_settings(self.settings),
            given_inputs(self.inputs),
        )


@strawberry.input(description="A scene to add to a job.")
class AddSceneInput:
    """The input of addScene."""

    job_id: strawberry.ID
    scene: NewSceneInput
    position: int | None = strawberry.field(
        default=strawberry.UNSET, description="0-based position in play order; at the end when omitted."
    )
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=EXPECTED_JOB_VERSION)
    idempotency_key: str | None = strawberry.field(default=strawberry.UNSET, description=IDEMPOTENCY_KEY)


@strawberry.input(description="Why a scene failed, as reported by its worker.")
class FailureInput:
    """Part of updateScene."""

    code: str
    message: str
    retryable: bool = False


@strawberry.input(description=UPDATE)
class UpdateSceneInput:
    """The input of updateScene: edits by the owner, reports by an external worker."""

    scene_id: strawberry.ID
    job_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_OWN_JOB)
    title: str | None = strawberry.field(default=strawberry.UNSET, description=TITLE)
    prompt: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_PROMPT} A take that has started keeps its prompt."
    )
    duration_seconds: float | None = strawberry.field(default=strawberry.UNSET, description=_DURATION)
    metadata: JSONObject | None = strawberry.field(default=strawberry.UNSET, description=METADATA)
    status: SceneStatus | None = strawberry.field(
        default=strawberry.UNSET,
        description="One of Scene.allowedTransitions; the current status is accepted too and changes nothing.",
    )
    provider_id: str | None = strawberry.field(
        default=strawberry.UNSET, description="The provider's id for the current take."
    )
    percentage: float | None = strawberry.field(
        default=strawberry.UNSET, description="0 to 100 with status PROCESSING, or 100 with COMPLETED."
    )
    output_url: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="http or https address of the clip, with status PROCESSING or COMPLETED.",
    )
    output_asset_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "The clip as an asset, instead of outputUrl: a READY asset of the kind VIDEO of the job's owner, with "
            "status COMPLETED in jobs of the provider external. It is adopted (see adoptOutput), and cannot be deleted "
            "until that is done."
        ),
    )
    failure: FailureInput | None = strawberry.field(default=strawberry.UNSET, description="With status FAILED.")
    take_number: int | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "The number of the take that a report is about; fails with STALE_TAKE when it is not the current one. With "
            "or without it, so does a providerId that belongs to an earlier take or differs from that of the take "
            "being rendered."
        ),
    )
    adopt_output: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "Adopt the clip at outputUrl, in jobs of the provider external: download, store and inspect it, and join "
            "it to the output. The scene stays PROCESSING at 99 % until that is done. When omitted, the server's "
            "setting applies."
        ),
    )
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_SCENE_VERSION)
    settings: RenderSettingsInput | None = strawberry.field(default=strawberry.UNSET, description=_SETTINGS)
    inputs: list[RenderInputInput] | None = strawberry.field(default=strawberry.UNSET, description=_INPUTS)

    def edit(self) -> SceneEdit:
        """Return the given fields."""
        names = ("title", "prompt", "duration_seconds", "metadata", "status", "provider_id", "percentage")
        edit = cast("SceneEdit", edit_of(self, *names, "output_url", "output_asset_id", "take_number", "adopt_output"))
        failure = given(self.failure)
        if failure is not None:
            edit["failure"] = ReportedFailure(code=failure.code, message=failure.message, retryable=failure.retryable)
        return edit | asked(self.settings, self.inputs)


@strawberry.input(description="A completed, failed or canceled scene to render again.")
class RegenerateSceneInput:
    """The input of regenerateScene."""

    scene_id: strawberry.ID
    job_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_OWN_JOB)
    prompt: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_PROMPT} The scene's prompt when omitted."
    )
    settings: RenderSettingsInput | None = strawberry.field(default=strawberry.UNSET, description=_SETTINGS)
    inputs: list[RenderInputInput] | None = strawberry.field(default=strawberry.UNSET, description=_INPUTS)
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_SCENE_VERSION)
    idempotency_key: str | None = strawberry.field(default=strawberry.UNSET, description=IDEMPOTENCY_KEY)


@strawberry.input(description="The scene that a mutation acts on.")
class SceneActionInput:
    """The input of cancelScene, deleteScene and restoreScene."""

    scene_id: strawberry.ID
    job_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_OWN_JOB)
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_SCENE_VERSION)


@strawberry.input(description="A live scene and its new position.")
class MoveSceneInput:
    """The input of moveScene."""

    scene_id: strawberry.ID
    job_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_OWN_JOB)
    position: int = strawberry.field(description="0-based position in play order.")
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_SCENE_VERSION)


@strawberry.input(description="A completed take for its scene to show.")
class SelectTakeInput:
    """The input of selectTake."""

    take_id: strawberry.ID
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_SCENE_VERSION)


def target(
    source: UpdateSceneInput | RegenerateSceneInput | SceneActionInput | MoveSceneInput,
) -> SceneTarget:
    """Return the scene that the input names, with the job and the version that it expects."""
    return SceneTarget(source.scene_id, given(source.job_id), given(source.expected_version))
