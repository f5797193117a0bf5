"""The inputs of calls, as typed dictionaries: a key left out keeps a value or takes its default, None clears it.

Rules of each field: the descriptions of the schema.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Required, TypedDict, cast

from scenewire.decoding import camel
from scenewire.enums import JobStatus, Resolution, SceneStatus

OWN_DATA = ("metadata", "options")
"""Keys whose values are the caller's own, and are sent unchanged."""


class RenderSettings(TypedDict, total=False):
    """What clips are to be like. A setting that is left out or None is the job's, else the model's."""

    model: str | None
    aspect_ratio: str | None
    resolution: Resolution | str | None
    seed: int | None
    negative_prompt: str | None
    audio: bool | None
    options: Mapping[str, Any] | None


class RenderInput(TypedDict, total=False):
    """A file that a clip is made from. Exactly one of `asset_id` and `take_id`."""

    role: Required[str]
    name: str | None
    asset_id: str | None
    take_id: str | None
    at_seconds: float | None


class Failure(TypedDict, total=False):
    """Why an external worker failed."""

    code: Required[str]
    message: Required[str]
    retryable: bool


class NewScene(TypedDict, total=False):
    """A scene to create."""

    prompt: Required[str]
    title: str | None
    duration_seconds: float | None
    metadata: Mapping[str, Any] | None
    settings: RenderSettings | None
    inputs: Sequence[RenderInput] | None


class NewJob(TypedDict, total=False):
    """A job to create. With the same `idempotency_key`, a repeated call returns the first job."""

    title: Required[str]
    scenes: Sequence[NewScene]
    provider: str | None
    metadata: Mapping[str, Any] | None
    start: bool
    idempotency_key: str | None
    settings: RenderSettings | None


class JobUpdate(TypedDict, total=False):
    """Changes of a job."""

    title: str
    metadata: Mapping[str, Any]
    settings: RenderSettings | None
    expected_version: int | None


class JobAction(TypedDict, total=False):
    """Options of start, cancel, delete and restore."""

    expected_version: int | None
    idempotency_key: str | None


class AddedScene(TypedDict, total=False):
    """Options of `add_scene`. `position` is 0-based; at the end when left out."""

    position: int | None
    expected_version: int | None
    idempotency_key: str | None


class SceneUpdate(TypedDict, total=False):
    """Edits of a scene, or a report of an external worker."""

    job_id: str | None
    title: str | None
    prompt: str
    duration_seconds: float
    metadata: Mapping[str, Any]
    status: SceneStatus | str
    provider_id: str | None
    percentage: float | None
    output_url: str | None
    output_asset_id: str | None
    failure: Failure | None
    take_number: int | None
    adopt_output: bool | None
    expected_version: int | None
    settings: RenderSettings | None
    inputs: Sequence[RenderInput] | None


class SceneEdit(SceneUpdate, total=False):
    """One scene of `update_scenes`."""

    scene_id: Required[str]


class Regeneration(TypedDict, total=False):
    """What the new take is made with; the scene's own where left out."""

    job_id: str | None
    prompt: str | None
    settings: RenderSettings | None
    inputs: Sequence[RenderInput] | None
    expected_version: int | None
    idempotency_key: str | None


class SceneOptions(TypedDict, total=False):
    """Options of an action on a scene."""

    job_id: str | None
    expected_version: int | None


class TakeOptions(TypedDict, total=False):
    """Options of `select_take`."""

    expected_version: int | None


class Batch(TypedDict, total=False):
    """The scenes of a batch: by id, or all live ones in any of these statuses."""

    scene_ids: Sequence[str] | None
    status: Sequence[SceneStatus | str] | None
    policy: Literal["ALL_OR_NOTHING", "BEST_EFFORT"]
    dry_run: bool
    idempotency_key: str | None


class Edits(TypedDict, total=False):
    """Options of `update_scenes`."""

    policy: Literal["ALL_OR_NOTHING", "BEST_EFFORT"]
    dry_run: bool


class TokenOptions(TypedDict, total=False):
    """Options of `create_token`. Without `job_ids` it is for all jobs of its maker; it lasts 60 to 86400 seconds."""

    job_ids: Sequence[str] | None
    expires_in_seconds: int
    label: str | None


class JobFilter(TypedDict, total=False):
    """Jobs that match every key. `search` is a part of the title, in any case; `updated_since` has an offset."""

    status: Sequence[JobStatus | str] | None
    search: str | None
    updated_since: datetime | None
    owner_id: str | None


class JobOrder(TypedDict, total=False):
    """The order of a list of jobs; the newest first when left out."""

    field: Literal["CREATED_AT", "UPDATED_AT", "TITLE"]
    direction: Literal["ASC", "DESC"]


def to_json(value: Any) -> Any:
    """Return an input with the names of the schema. Raises ValueError for a datetime without an offset."""
    match value:
        case Mapping():
            return _object(cast("Mapping[str, Any]", value))
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"{value!r} has no offset")
            return value.isoformat()
        case str():
            return str(value)
        case list() | tuple():
            return [to_json(each) for each in cast("Sequence[Any]", value)]
        case _:
            return value


def _object(value: Mapping[str, Any]) -> dict[str, Any]:
    return {camel(key): each if key in OWN_DATA else to_json(each) for key, each in value.items()}
