"""What must be true of a job after every step: what GraphQL shows is the model's, and what is promised of every job."""

from collections.abc import Sequence
from typing import NamedTuple
from unittest.mock import ANY

import pytest

from models.domain.events import EventType
from models.domain.lifecycle import SceneStatus
from tests.any_order.model import ModelJob
from tests.any_order.model_scene import COMPLETED, OPEN, ModelScene
from tests.support.client import Json

MAY_FALL = {
    EventType.SCENE_REGENERATED,
    EventType.SCENE_ADDED,
    EventType.SCENE_DELETED,
    EventType.SCENE_RESTORED,
}
# What no event tells of: the running fractions, the place in the queue, and what follows from the job.
BESIDE_THE_CLOCK = {"version", "updatedAt", "percentage", "queuePosition", "availableActions", "allowedTransitions"}


class Shown(NamedTuple):
    """What is compared of a scene."""

    id: str
    title: str | None
    status: SceneStatus
    take: int
    attempts: int
    most_attempts: int
    percentage: float | None
    provider_id: str | None
    failed_with: str | None
    retry: bool
    here: bool
    finished: bool
    waits: bool
    clips: set[int]
    actions: set[str]
    transitions: list[str]


class Inside(NamedTuple):
    """What is compared of a scene that no client sees."""

    run: int
    ours: bool
    reached: float
    queued: bool


class Checks:
    """Remembers how everything was, to tell what has changed."""

    def __init__(self) -> None:
        self.seen: dict[str, Json] = {}
        self._scenes: dict[str, Json] = {}
        self._takes: dict[str, Json] = {}
        self._percentages: dict[str, float] = {}

    def version(self, scene_id: str) -> int:
        """At which version a scene was last seen."""
        return self._scenes[scene_id]["version"]

    def takes(self, scene_id: str) -> list[Json]:
        """The takes of a scene as last seen, newest first."""
        return self._scenes[scene_id]["takes"]

    def gaps_closed(self, job: ModelJob) -> None:
        """Scenes have been purged, which the clock does not count: later deleted ones have moved up."""
        for place, scene in enumerate(job.order):
            if scene.deleted:
                self._scenes[scene.id] = {**self._scenes[scene.id], "position": place}

    def waited(self, scene_id: str) -> None:
        """In place of the time that passes, which the clock does not count, the date was moved that was waited for."""
        self._scenes[scene_id] = {**self._scenes[scene_id], "purgeAfter": ANY}

    def check(self, job: ModelJob, real: Json, rows: Sequence[Json], logged: int) -> None:
        """The real job is the model's; `logged` events were there before."""
        self.seen[job.id] = real
        self._check_log(job, real, logged)
        self._check_job(job, real, rows)
        scenes = real["scenes"]["nodes"]
        live = [scene for scene in scenes if scene["deletedAt"] is None]
        assert [scene["position"] for scene in live] == list(range(len(live)))
        assert [scene["id"] for scene in real["live"]["nodes"]] == [scene["id"] for scene in live]
        assert real["live"]["totalCount"] == len(live)
        assert [scene["id"] for scene in live] == [scene.id for scene in job.scenes]
        assert {scene["id"] for scene in scenes} == {scene.id for scene in job.order}
        # What is deleted has its place in the order of live and deleted ones together.
        deleted = {scene["id"]: scene["position"] for scene in scenes if scene["deletedAt"] is not None}
        assert deleted == {scene.id: place for place, scene in enumerate(job.order) if scene.deleted}
        shown, inside = {scene["id"]: scene for scene in scenes}, {row["id"]: row for row in rows}
        for scene in job.order:
            assert as_shown(shown[scene.id]) == as_told(job, scene)
            assert as_kept(inside[scene.id]) == as_known(job, scene)
            _check_dates(scene, shown[scene.id])
            self._check_takes(scene, shown[scene.id])
            self._check_clock(shown[scene.id], logged)
        self._check_progress(job, real["progress"], set(job.log[logged:]))

    def _check_log(self, job: ModelJob, real: Json, logged: int) -> None:
        assert real["version"] == len(job.log)
        assert [event["version"] for event in real["events"]] == list(range(logged + 1, len(job.log) + 1))
        assert [event["type"] for event in real["events"]] == job.log[logged:]
        assert all((event["sceneId"] is not None) == event["type"].startswith("SCENE_") or _moved(event)
                   for event in real["events"])  # fmt: skip

    def _check_job(self, job: ModelJob, real: Json, rows: Sequence[Json]) -> None:
        assert real["status"] == job.status == job.derived()
        assert real["title"] == job.title
        assert (real["deletedAt"] is not None) == (real["purgeAfter"] is not None) == job.gone
        settled = job.status not in ("PENDING", "PROCESSING")
        assert (real["finishedAt"] is not None) == settled
        missing = None if job.joinable or job.status != "COMPLETED" else {"code": "NO_CLIP"}
        assert (real["output"], real["outputFailure"]) == (None, missing)

    def _check_takes(self, scene: ModelScene, real: Json) -> None:
        """Takes are numbered from 1, one is current, and none is rewritten once finished."""
        takes = real["takes"]
        assert [take["number"] for take in takes] == list(range(scene.newest, 0, -1))
        assert (
            [take["number"] for take in takes if take["isCurrent"]] == [scene.take] == [real["currentTake"]["number"]]
        )
        assert takes[-1]["reason"] == "INITIAL"
        for take in takes:
            known: Json = self._takes.get(take["id"]) or take
            assert known["finishedAt"] is None or known | {"isCurrent": take["isCurrent"]} == take
            assert (take["finishedAt"] is not None) == (take["status"] not in OPEN)
            self._takes[take["id"]] = take

    def _check_clock(self, scene: Json, logged: int) -> None:
        """What shows of a scene changed if and only if its version is one of those that were made just now."""
        known = self._scenes.get(scene["id"])
        changed = known is None or _by_the_clock(known) != _by_the_clock(scene)
        assert (scene["version"] > logged) == changed, (known, scene)
        assert known is None or changed or known["version"] == scene["version"]
        self._scenes[scene["id"]] = scene

    def _check_progress(self, job: ModelJob, real: Json, events: set[EventType]) -> None:
        """It is a share that falls only when there is more to do again, and 100 says that all is done."""
        counts = {status: real[status.value.lower()] for status in SceneStatus}
        assert counts == {status: job.count(status) for status in SceneStatus}
        assert real["total"] == sum(counts.values()) == len(job.scenes)
        assert real["version"] == len(job.log)
        assert real["currentStage"] == job.stage
        percentage = real["percentage"]
        assert 0 <= percentage <= 100
        assert (percentage == 100) == (job.count(COMPLETED) == len(job.scenes) > 0)
        assert percentage == pytest.approx(job.percentage, abs=0.02)
        if not events & MAY_FALL:
            assert percentage >= self._percentages.get(job.id, 0.0)
        self._percentages[job.id] = percentage


def _moved(event: Json) -> bool:
    """Only of a move it may be told or not which scene it was."""
    return event["type"] == EventType.SCENES_REORDERED


def _by_the_clock(scene: Json) -> Json:
    return {name: value for name, value in scene.items() if name not in BESIDE_THE_CLOCK}


def _check_dates(scene: ModelScene, real: Json) -> None:
    assert (real["deletedAt"] is not None) == (real["purgeAfter"] is not None) == scene.deleted
    assert not (scene.deleted and real["status"] == "PROCESSING")
    assert real["createdAt"] <= real["updatedAt"]


def as_shown(scene: Json) -> Shown:
    """A scene as GraphQL shows it."""
    completed = {take["number"] for take in scene["takes"] if take["status"] == COMPLETED}
    return Shown(
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


def as_told(job: ModelJob, scene: ModelScene) -> Shown:
    """A scene as the model has it."""
    return Shown(
        scene.id,
        scene.title,
        scene.status,
        scene.take,
        scene.attempts,
        scene.most_attempts,
        scene.percentage,
        scene.provider_id,
        scene.failed_with,
        scene.retry,
        scene.here,
        scene.status not in OPEN,
        job.waits(scene),
        set(scene.clips),
        {action.value for action in job.actions(scene)},
        [status.value for status in job.transitions(scene)],
    )


def as_kept(row: Json) -> Inside:
    """The row of a scene."""
    return Inside(row["run"], row["leased_by"] is not None, row["high_water"], row["queued_at"] is not None)


def as_known(job: ModelJob, scene: ModelScene) -> Inside:
    """What the model has of that."""
    return Inside(scene.run, scene.ours, scene.reached, job.waits(scene))
