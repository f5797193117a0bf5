"""The results of a batch."""

from dataclasses import dataclass
from typing import Self

from scenewire.decoding import decode
from scenewire.errors import Json, Refused, refusal
from scenewire.models import JobSummary, Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneResult:
    """The result for one scene: `scene`, or `error`."""

    scene_id: str
    scene: Scene | None
    error: Refused | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """The results in the order of the input, and the job afterwards."""

    results: tuple[SceneResult, ...]
    dry_run: bool
    job: JobSummary | None

    @property
    def errors(self) -> tuple[Refused, ...]:
        """The errors of the scenes that were refused."""
        return tuple(result.error for result in self.results if result.error is not None)

    @classmethod
    def of(cls, payload: Json) -> Self:
        """Return the results of a payload."""
        job = payload["job"]
        results = tuple(
            SceneResult(
                scene_id=result["sceneId"],
                scene=None if result["scene"] is None else decode(Scene, result["scene"]),
                error=refusal(result["errors"]) if result["errors"] else None,
            )
            for result in payload["results"]
        )
        return cls(results=results, dry_run=payload["dryRun"], job=None if job is None else decode(JobSummary, job))
