"""The comparison after every step: GraphQL and rows with the model, and the documented invariants of a job."""

from collections.abc import Sequence
from typing import NamedTuple
from unittest.mock import ANY

import pytest

from models.domain.events import EventType
from models.domain.lifecycle import SceneStatus
from tests.any_order.model import ModelJob
from tests.any_order.model_scene import COMPLETED, OPEN, ModelScene
from tests.support.client import Json

# The progress of a job may fall with one of these.
MAY_LOWER_PROGRESS = {
    EventType.SCENE_REGENERATED,
    EventType.SCENE_ADDED,
    EventType.SCENE_DELETED,
    EventType.SCENE_RESTORED,
}
# Fields that change without an event: progress, the queue position, and what follows from the job.
UNVERSIONED = {"version", "updatedAt", "percentage", "queuePosition", "availableActions", "allowedTransitions"}


class PublicScene(NamedTuple):
    """The compared fields of a scene that clients see."""

    id: str
    title: str | None
    status: SceneStatus
    take: int
    attempts: int
    max_attempts: int
    percentage: float | None
    provider_id: str | None
    failure_code: str | None
    retry_pending: bool
    with_output: bool
    finished: bool
    queued: bool
    kept_clips: set[int]
    actions: set[str]
    transitions: list[str]


class SceneInternals(NamedTuple):
    """The compared columns of a scene that clients do not see."""

    run: int
    leased: bool
    high_water: float
    queued: bool


class Checks:
    """Checks jobs, and remembers their last state in order to compare it with the next."""

    def __init__(self) -> None:
        self.last: dict[str, Json] = {}
        self._scenes: dict[str, Json] = {}
        self._takes: dict[str, Json] = {}
        self._percentages: dict[str, float] = {}

    def version(self, scene_id: str) -> int:
        """Return the last known version of a scene."""
        return self._scenes[scene_id]["version"]

    def takes(self, scene_id: str) -> list[Json]:
        """Return the last known takes of a scene, newest first."""
        return self._scenes[scene_id]["takes"]

    def expect_gaps_closed(self, job: ModelJob) -> None:
        """After a purge, which raises no version, later deleted scenes have moved up."""
        for position, scene in enumerate(job.order):
            if scene.deleted:
                self._scenes[scene.id] = {**self._scenes[scene.id], "position": position}

    def expect_expiry(self, scene_id: str) -> None:
        """The test moved the end of the recovery window, which raises no version."""
        self._scenes[scene_id] = {**self._scenes[scene_id], "purgeAfter": ANY}

    def check(self, job: ModelJob, real: Json, rows: Sequence[Json], logged: int) -> None:
        """Compare a job with its model; the log had `logged` events at the last check."""
        self.last[job.id] = real
        self._check_log(job, real, logged)
        self._check_job(job, real)
        self._check_positions(job, real)
        scenes, internals = {scene["id"]: scene for scene in real["scenes"]["nodes"]}, {row["id"]: row for row in rows}
        for scene in job.order:
            assert public_scene(scenes[scene.id]) == expected_public(job, scene)
            assert scene_internals(internals[scene.id]) == expected_internals(job, scene)
            _check_dates(scene, scenes[scene.id])
            self._check_takes(scene, scenes[scene.id])
            self._check_version(scenes[scene.id], logged)
        self._check_progress(job, real["progress"], set(job.log[logged:]))

    def _check_log(self, job: ModelJob, real: Json, logged: int) -> None:
        """The log has no gap, its types are the model's, and scene events name their scene."""
        events = real["events"]
        assert real["version"] == len(job.log)
        assert [event["version"] for event in events] == list(range(logged + 1, len(job.log) + 1))
        assert [event["type"] for event in events] == job.log[logged:]
        for event in events:
            # A reordering names a scene only if one was moved.
            if event["type"] != EventType.SCENES_REORDERED:
                assert (event["sceneId"] is not None) == event["type"].startswith("SCENE_")

    def _check_job(self, job: ModelJob, real: Json) -> None:
        assert real["status"] == job.status == job.derived_status()
        assert real["title"] == job.title
        assert (real["deletedAt"] is not None) == (real["purgeAfter"] is not None) == job.is_deleted
        settled = job.status not in ("PENDING", "PROCESSING")
        assert (real["finishedAt"] is not None) == settled
        failure = None if job.can_be_assembled or job.status != "COMPLETED" else {"code": "NO_CLIP"}
        assert (real["output"], real["outputFailure"]) == (None, failure)

    def _check_positions(self, job: ModelJob, real: Json) -> None:
        """Live scenes have positions 0..n-1; deleted ones a position in the order of live and deleted together."""
        scenes = real["scenes"]["nodes"]
        live = [scene for scene in scenes if scene["deletedAt"] is None]
        assert [scene["position"] for scene in live] == list(range(len(live)))
        assert [scene["id"] for scene in real["live"]["nodes"]] == [scene["id"] for scene in live]
        assert real["live"]["totalCount"] == len(live)
        assert [scene["id"] for scene in live] == [scene.id for scene in job.scenes]
        assert {scene["id"] for scene in scenes} == {scene.id for scene in job.order}
        deleted = {scene["id"]: scene["position"] for scene in scenes if scene["deletedAt"] is not None}
        assert deleted == {scene.id: position for position, scene in enumerate(job.order) if scene.deleted}

    def _check_takes(self, scene: ModelScene, real: Json) -> None:
        """Takes are numbered from 1, one is current, and a finished take never changes."""
        takes = real["takes"]
        current = [take["number"] for take in takes if take["isCurrent"]]
        assert [take["number"] for take in takes] == list(range(scene.newest_take, 0, -1))
        assert current == [scene.take] == [real["currentTake"]["number"]]
        assert takes[-1]["reason"] == "INITIAL"
        for take in takes:
            before: Json = self._takes.get(take["id"]) or take
            assert before["finishedAt"] is None or before | {"isCurrent": take["isCurrent"]} == take
            assert (take["finishedAt"] is not None) == (take["status"] not in OPEN)
            self._takes[take["id"]] = take

    def _check_version(self, scene: Json, logged: int) -> None:
        """The versioned fields of a scene changed if and only if its version is one of the new events."""
        before = self._scenes.get(scene["id"])
        changed = before is None or _versioned(before) != _versioned(scene)
        assert (scene["version"] > logged) == changed, (before, scene)
        assert before is None or changed or before["version"] == scene["version"]
        self._scenes[scene["id"]] = scene

    def _check_progress(self, job: ModelJob, real: Json, events: set[EventType]) -> None:
        """Counters are right, 100 means that every scene is completed, and progress falls only with some events."""
        counts = {status: real[status.value.lower()] for status in SceneStatus}
        assert counts == {status: job.count(status) for status in SceneStatus}
        assert real["total"] == sum(counts.values()) == len(job.scenes)
        assert real["version"] == len(job.log)
        assert real["currentStage"] == job.stage
        percentage = real["percentage"]
        assert 0 <= percentage <= 100
        assert (percentage == 100) == (job.count(COMPLETED) == len(job.scenes) > 0)
        assert percentage == pytest.approx(job.percentage, abs=0.02)
        if not events & MAY_LOWER_PROGRESS:
            assert percentage >= self._percentages.get(job.id, 0.0)
        self._percentages[job.id] = percentage


def _versioned(scene: Json) -> Json:
    return {name: value for name, value in scene.items() if name not in UNVERSIONED}


def _check_dates(scene: ModelScene, real: Json) -> None:
    assert (real["deletedAt"] is not None) == (real["purgeAfter"] is not None) == scene.deleted
    assert not (scene.deleted and real["status"] == "PROCESSING")
    assert real["createdAt"] <= real["updatedAt"]


def public_scene(scene: Json) -> PublicScene:
    """Return the compared fields of a scene as GraphQL shows it."""
    completed = {take["number"] for take in scene["takes"] if take["status"] == COMPLETED}
    return PublicScene(
        scene["id"],
        scene["title"],
        SceneStatus(scene["status"]),
        scene["currentTake"]["number"],
        scene["attempts"],
        scene["maxAttempts"],
        scene["percentage"],
        scene["providerId"],
        scene["failure"] and scene["failure"]["code"],
        scene["nextAttemptAt"] is not None,
        scene["output"] is not None,
        scene["finishedAt"] is not None,
        scene["queuePosition"] is not None,
        completed - {scene["currentTake"]["number"]},
        set(scene["availableActions"]),
        scene["allowedTransitions"],
    )


def expected_public(job: ModelJob, scene: ModelScene) -> PublicScene:
    """Return the compared fields of a scene by the model."""
    return PublicScene(
        scene.id,
        scene.title,
        scene.status,
        scene.take,
        scene.attempts,
        scene.max_attempts,
        scene.percentage,
        scene.provider_id,
        scene.failure_code,
        scene.retry_pending,
        scene.stored or scene.linked,
        scene.status not in OPEN,
        job.is_queued(scene),
        set(scene.kept_clips),
        {action.value for action in job.actions(scene)},
        [status.value for status in job.transitions(scene)],
    )


def scene_internals(row: Json) -> SceneInternals:
    """Return the compared columns of a row."""
    return SceneInternals(row["run"], row["leased_by"] is not None, row["high_water"], row["queued_at"] is not None)


def expected_internals(job: ModelJob, scene: ModelScene) -> SceneInternals:
    """Return the compared columns by the model."""
    return SceneInternals(scene.run, scene.leased, scene.high_water, job.is_queued(scene))
