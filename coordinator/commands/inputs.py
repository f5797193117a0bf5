"""The inputs of commands, independent of the API that they came by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypedDict

from models.domain import settings
from models.domain.lifecycle import SceneStatus
from models.domain.rules import Problems


@dataclass(frozen=True, slots=True)
class SceneTarget:
    """A scene to be changed; with `job_id` it must belong to that job, with `expected_version` be at that version."""

    scene_id: str
    job_id: str | None = None
    expected_version: int | None = None


# Of fields that were added later: where they are None, the hash of a request is the one of former versions.
ADDED: Mapping[str, bool] = {"omit_none": True}


class ReportedFailure(TypedDict):
    """Why a scene failed, as reported by an external worker."""

    code: str
    message: str
    retryable: bool


class SceneEdit(TypedDict, total=False):
    """The fields that updateScene sets; absent ones stay unchanged. Units as in the schema.

    In `settings`, absent ones stay unchanged as well, and None takes one away. `inputs` replace the former ones.
    """

    title: str | None
    prompt: str | None
    duration_seconds: float | None
    metadata: Mapping[str, Any] | None
    settings: Mapping[str, Any] | None
    inputs: Sequence[Mapping[str, Any]] | None
    status: SceneStatus | None
    provider_id: str | None
    percentage: float | None
    output_url: str | None
    output_asset_id: str | None
    failure: ReportedFailure | None
    take_number: int | None
    adopt_output: bool | None


@dataclass(frozen=True, slots=True)
class NewScene:
    """A scene to be added; `duration_seconds` None means the default.

    `settings` and `inputs` are named as in `models.domain.settings`; nulls in them count as absent.
    """

    prompt: str
    title: str | None = None
    duration_seconds: float | None = None
    metadata: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] | None = field(default=None, metadata=ADDED)
    inputs: Sequence[Mapping[str, Any]] | None = field(default=None, metadata=ADDED)

    def check(self, problems: Problems, path: Sequence[str]) -> None:
        """Add what is invalid in it."""
        problems.prompt(self.prompt, [*path, "prompt"])
        problems.title(self.title, [*path, "title"], required=False)
        if self.duration_seconds is not None:
            problems.duration(self.duration_seconds, [*path, "durationSeconds"])
        if self.metadata is not None:
            problems.metadata(self.metadata, [*path, "metadata"])
        settings.check(problems, self.settings, [*path, "settings"])
        settings.check_inputs(problems, self.inputs, [*path, "inputs"])


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be created; `provider` None means that of its model, or the server's default."""

    title: str
    scenes: Sequence[NewScene] = ()
    provider: str | None = None
    metadata: Mapping[str, Any] | None = None
    start: bool = False
    idempotency_key: str | None = None
    settings: Mapping[str, Any] | None = field(default=None, metadata=ADDED)


class JobEdit(TypedDict, total=False):
    """The fields of a job to be changed; absent ones stay unchanged."""

    title: str | None
    metadata: Mapping[str, Any] | None
    settings: Mapping[str, Any] | None


class BatchPolicy(StrEnum):
    """What happens to the valid items of a batch when others are refused."""

    ALL_OR_NOTHING = "ALL_OR_NOTHING"
    BEST_EFFORT = "BEST_EFFORT"


@dataclass(frozen=True, slots=True)
class SceneBatch:
    """Scenes of one job for the same command: those listed, or all in one of these statuses."""

    job_id: str
    scene_ids: Sequence[str] | None = None
    status: Sequence[SceneStatus] | None = None
    policy: BatchPolicy = BatchPolicy.ALL_OR_NOTHING
    dry_run: bool = False
    key: str | None = None


@dataclass(frozen=True, slots=True)
class SceneEdits:
    """Scenes of one job, each with its own edit."""

    job_id: str
    scenes: Sequence[tuple[SceneTarget, SceneEdit]]
    policy: BatchPolicy = BatchPolicy.ALL_OR_NOTHING
    dry_run: bool = False
