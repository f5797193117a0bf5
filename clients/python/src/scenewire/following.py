"""One job, followed through `jobEvents`: every message with the whole job as it is shown after it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from scenewire.decoding import decode
from scenewire.enums import EventType, SnapshotReason
from scenewire.errors import Json
from scenewire.models import Job, Media, Progress
from scenewire.websocket import ConnectionLost


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state at `version`: the first message, or in place of events that the log or the server no longer holds."""

    job: Job
    version: int
    reason: SnapshotReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of the job's log. `job` is current: possibly newer than `version`, never older.

    `scene_id` is None for an event of the job, `actor_id` for the server itself.
    """

    job: Job
    version: int
    type: EventType
    scene_id: str | None
    occurred_at: datetime
    actor_id: str | None
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneProgress:
    """Progress of a running take; `percentage` is 0 to 100, None when the provider reports none. Not in the log."""

    job: Job
    scene_id: str
    take_number: int
    percentage: float | None


Message = Snapshot | Event | SceneProgress


class View:
    """What is shown of a job: it never goes back, and is always a state that the server had."""

    def __init__(self, after: int | None = None) -> None:
        self.position = after
        """The version up to which every event was received; None before the first message."""
        self._job: Job | None = None

    def fold(self, received: Json) -> Message | None:
        """Return a message of `jobEvents` with the job as it is now; None when it changes nothing that is shown.

        Raises ConnectionLost for an event that does not follow the last one.
        """
        message = received["jobEvents"]
        match message["__typename"]:
            case "JobSnapshot":
                return self._snapshot(message)
            case "JobEvent":
                return self._event(message)
            case "SceneProgress":
                return self._progress(message)
            case _:
                return None

    def _snapshot(self, message: Json) -> Snapshot:
        self.position = message["version"]
        job = decode(Job, message["job"])
        # A lower version is the truth as well: the database was restored from a backup.
        self._job = job if self._job is None or job.version != self._job.version else _later(self._job, job)
        return Snapshot(job=self._job, version=message["version"], reason=SnapshotReason(message["reason"]))

    def _event(self, message: Json) -> Event | None:
        version: int = message["version"]
        if self.position is None or version > self.position + 1:
            raise ConnectionLost(f"event {version} followed {self.position}")
        if version <= self.position:
            return None
        self.position = version
        # The job of an event is null when it was purged meanwhile.
        if message["job"] is not None:
            job = decode(Job, message["job"])
            self._job = job if self._job is None else _later(self._job, job)
        if self._job is None:
            return None
        return Event(
            job=self._job,
            version=version,
            type=EventType(message["type"]),
            scene_id=message["sceneId"],
            occurred_at=datetime.fromisoformat(message["occurredAt"]),
            actor_id=message["actorId"],
            changed=tuple(message["changed"]),
        )

    def _progress(self, message: Json) -> SceneProgress | None:
        """Merge progress of the version that is shown; progress of a later one comes with the event of that version."""
        progress = decode(Progress, message["progress"])
        job = self._job
        if job is None or progress.version != job.version:
            return None
        scene_id: str = message["sceneId"]
        percentage: float | None = message["percentage"]
        preview = _media(message["preview"])
        scenes = tuple(
            replace(scene, percentage=percentage, preview=preview or scene.preview) if scene.id == scene_id else scene
            for scene in job.scenes
        )
        changed = replace(job, progress=progress, scenes=scenes)
        self._job = _later(job, changed)
        if self._job is not changed:
            return None
        return SceneProgress(job=self._job, scene_id=scene_id, take_number=message["takeNumber"], percentage=percentage)


def _media(value: dict[str, Any] | None) -> Media | None:
    return None if value is None else decode(Media, value)


def _later(shown: Job, read: Job) -> Job:
    """Return the later of two readings: at the same version, percentages only grow."""
    if read.version != shown.version:
        return read if read.version > shown.version else shown
    return read if all(map(_grows, _percentages(shown), _percentages(read))) else shown


def _percentages(job: Job) -> list[float | None]:
    return [job.progress.percentage, *(scene.percentage for scene in job.scenes)]


def _grows(shown: float | None, read: float | None) -> bool:
    return (read or 0.0) >= (shown or 0.0)
