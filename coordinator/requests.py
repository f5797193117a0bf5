"""What is asked for, in the words of the domain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from models.lifecycle import SceneStatus


@dataclass(frozen=True, slots=True)
class SceneTarget:
    """Which scene; with `job_id` it must belong to that job, with `expected_version` be at that version."""

    scene_id: str
    job_id: str | None = None
    expected_version: int | None = None


class Report(TypedDict):
    """Why a scene failed, as its worker tells it."""

    code: str
    message: str
    retryable: bool


class SceneEdit(TypedDict, total=False):
    """What updateScene may set; what is absent stays. Units as in the schema."""

    title: str | None
    prompt: str | None
    duration_seconds: float | None
    metadata: Mapping[str, Any] | None
    status: SceneStatus | None
    provider_id: str | None
    percentage: float | None
    output_url: str | None
    failure: Report | None
