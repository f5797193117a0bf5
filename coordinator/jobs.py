"""What can be done to a job."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

from coordinator.idempotency import Idempotency
from coordinator.queueing import enqueue
from models import ids
from models.access import Viewer
from models.change import Change
from models.errors import ErrorCode, StateRefused
from models.events import EventType
from models.lifecycle import OPEN, SETTLED_JOB, JobStatus, SceneStatus, TakeReason
from models.rows import JobRow, SceneRow
from models.rules import DEFAULT_DURATION_SECONDS, SCENES_A_JOB, Problems
from models.store import Store, now


@dataclass(frozen=True, slots=True)
class NewScene:
    """A scene to be made; `duration_seconds` None means the default."""

    prompt: str
    title: str | None = None
    duration_seconds: float | None = None
    metadata: Mapping[str, Any] | None = None

    def check(self, problems: Problems, path: Sequence[str]) -> None:
        """Note what is wrong with it."""
        problems.prompt(self.prompt, [*path, "prompt"])
        problems.title(self.title, [*path, "title"], needed=False)
        if self.duration_seconds is not None:
            problems.duration(self.duration_seconds, [*path, "durationSeconds"])
        if self.metadata is not None:
            problems.metadata(self.metadata, [*path, "metadata"])


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be made; `provider` None means the server's default."""

    title: str
    scenes: Sequence[NewScene] = ()
    provider: str | None = None
    metadata: Mapping[str, Any] | None = None
    start: bool = False
    idempotency_key: str | None = field(default=None)


class JobEdit(TypedDict, total=False):
    """The fields of a job to change; what is absent stays."""

    title: str | None
    metadata: Mapping[str, Any] | None


class Jobs:
    """The verbs on jobs. Each raises Refusal or Refused and then has changed nothing."""

    def __init__(self, store: Store, providers: Sequence[str], default_provider: str, max_attempts: int) -> None:
        self._store = store
        self._providers = providers
        self._default_provider = default_provider
        self._max_attempts = max_attempts

    async def create(self, viewer: Viewer, new: NewJob) -> str:
        """Make a job and answer its id; with `start` its scenes are dispatched in the same transaction."""
        provider = new.provider if new.provider is not None else self._default_provider
        self._check_new(new, provider)
        request = Idempotency(self._store, viewer, "createJob", new.idempotency_key, asdict(new))

        async def act() -> dict[str, Any]:
            job = blank_job(viewer, new, provider)
            async with self._store.create(job, viewer) as change:
                answer = await request.remember(change, {"jobId": job.id})
                change.record(EventType.JOB_CREATED, changed=["title", "scenes"])
                for position, scene in enumerate(new.scenes):
                    await insert_scene(change, ids.new("scene"), scene, position, self._max_attempts)
                if new.start:
                    await begin(change)
            return answer

        return (await request.once(act))["jobId"]

    async def update(self, viewer: Viewer, job_id: str, edit: JobEdit, expected_version: int | None = None) -> None:
        """Change a job's own fields; the same values again are no change."""
        problems = Problems()
        if "title" in edit:
            problems.title(edit["title"], ["input", "title"], needed=True)
        if "metadata" in edit:
            problems.metadata(edit["metadata"], ["input", "metadata"])
        problems.check()
        async with self._store.change(job_id, viewer, expected_version=expected_version) as change:
            changed = [name for name, value in edit.items() if getattr(change.job, name) != value]
            if changed:
                change.set_job(**{name: edit[name] for name in changed})
                change.record(EventType.JOB_UPDATED, changed=changed)

    async def start(
        self, viewer: Viewer, job_id: str, expected_version: int | None = None, key: str | None = None
    ) -> None:
        """Dispatch the scenes of a pending job; one that is processing is left as it is."""
        request = _keyed(self._store, viewer, "startJob", job_id, expected_version, key)

        async def act() -> dict[str, Any]:
            async with self._store.change(job_id, viewer, expected_version=expected_version) as change:
                answer = await request.remember(change, {})
                if change.job.status in SETTLED_JOB:
                    raise _settled(change.job, "started")
                if not change.job.begun:
                    await begin(change)
            return answer

        await request.once(act)

    async def cancel(
        self, viewer: Viewer, job_id: str, expected_version: int | None = None, key: str | None = None
    ) -> None:
        """Cancel every open scene; what is completed or failed stays. Canceled again it is left as it is."""
        request = _keyed(self._store, viewer, "cancelJob", job_id, expected_version, key)

        async def act() -> dict[str, Any]:
            async with self._store.change(job_id, viewer, expected_version=expected_version) as change:
                answer = await request.remember(change, {})
                if change.job.status in SETTLED_JOB - {JobStatus.CANCELED}:
                    raise _settled(change.job, "canceled")
                if change.job.status is not JobStatus.CANCELED:
                    change.set_job(canceled_at=change.now)
                    change.record(EventType.JOB_CANCELED, changed=["status"])
                    for scene in await change.live_scenes():
                        if scene.status in OPEN:
                            await cancel_scene(change, scene)
            return answer

        await request.once(act)

    def _check_new(self, new: NewJob, provider: str) -> None:
        problems = Problems()
        problems.title(new.title, ["input", "title"], needed=True)
        problems.key(new.idempotency_key, ["input", "idempotencyKey"])
        if new.metadata is not None:
            problems.metadata(new.metadata, ["input", "metadata"])
        if provider not in self._providers:
            known = ", ".join(self._providers)
            problems.add(f"There is no such provider here; there are: {known}.", ["input", "provider"])
        if new.start and not new.scenes:
            problems.add("A job without scenes cannot be started.", ["input", "start"])
        if len(new.scenes) > SCENES_A_JOB:
            problems.add(f"A job has at most {SCENES_A_JOB} scenes.", ["input", "scenes"], ErrorCode.LIMIT_EXCEEDED)
        else:
            for index, scene in enumerate(new.scenes):
                scene.check(problems, ["input", "scenes", str(index)])
        problems.check()


def blank_job(viewer: Viewer, new: NewJob, provider: str) -> JobRow:
    """A job that nobody has seen yet."""
    instant = now()
    return JobRow(
        id=ids.new("job"),
        owner_id=viewer.id,
        title=new.title,
        provider=provider,
        metadata=dict(new.metadata or {}),
        version=0,
        status=JobStatus.PENDING,
        pending=0,
        processing=0,
        completed=0,
        failed=0,
        canceled=0,
        retrying=0,
        cut=0,
        output=None,
        output_failure=None,
        created_at=instant,
        updated_at=instant,
        started_at=None,
        canceled_at=None,
        finished_at=None,
        deleted_at=None,
        purge_after=None,
    )


async def insert_scene(change: Change, scene_id: str, new: NewScene, position: int, max_attempts: int) -> int:
    """Write a new pending scene with its first take, as part of the event recorded last; answers the take's number."""
    take_id, number = ids.new("take"), 1
    await change.insert_scene(
        {
            "id": scene_id,
            "job_id": change.job.id,
            "position": position,
            "title": new.title,
            "prompt": new.prompt,
            "duration_seconds": new.duration_seconds or DEFAULT_DURATION_SECONDS,
            "status": SceneStatus.PENDING,
            "take_id": take_id,
            "take_number": number,
            "newest_take": number,
            "run": 0,
            "high_water": 0.0,
            "attempts": 0,
            "max_attempts": max_attempts,
            "priority": 0,
            "failure": None,
            "metadata": dict(new.metadata or {}),
            "version": change.job.version,
            "created_at": change.now,
            "updated_at": change.now,
        },
        {
            "id": take_id,
            "scene_id": scene_id,
            "job_id": change.job.id,
            "number": number,
            "reason": TakeReason.INITIAL,
            "prompt": new.prompt,
            "status": SceneStatus.PENDING,
            "provider": change.job.provider,
            "created_at": change.now,
        },
    )
    return number


async def begin(change: Change) -> None:
    """Start the job: it leaves the storyboard and its pending scenes are dispatched."""
    if change.job.total == 0:
        raise StateRefused(ErrorCode.INVALID_TRANSITION, "A job without scenes cannot be started.", ("input", "jobId"))
    change.set_job(started_at=change.now)
    change.record(EventType.JOB_STARTED, changed=["status", "startedAt"])
    pending = [scene for scene in await change.live_scenes() if scene.status is SceneStatus.PENDING]
    await enqueue(change, [(scene.id, scene.take_number) for scene in pending])


async def cancel_scene(change: Change, scene: SceneRow) -> SceneRow:
    """Cancel an open scene and abort its render."""
    change.fenced.append(scene.id)
    return await change.write_scene(
        scene,
        EventType.SCENE_CANCELED,
        ["status"],
        take={"status": SceneStatus.CANCELED, "finished_at": change.now},
        status=SceneStatus.CANCELED,
        **closed(change),
    )


def closed(change: Change) -> dict[str, Any]:
    """The columns of a scene that nothing is rendering any more."""
    return {
        "finished_at": change.now,
        "next_attempt_at": None,
        "queued_at": None,
        "worker": None,
        "frame": None,
    }


def _settled(job: JobRow, verb: str) -> StateRefused:
    return StateRefused(
        ErrorCode.INVALID_TRANSITION,
        f"The job is {job.status.value.lower()} and cannot be {verb}; regenerate a scene to set it going again.",
        ("input", "jobId"),
    )


def _keyed(
    store: Store, viewer: Viewer, operation: str, job_id: str, expected_version: int | None, key: str | None
) -> Idempotency:
    problems = Problems()
    problems.key(key, ["input", "idempotencyKey"])
    problems.check()
    return Idempotency(store, viewer, operation, key, {"jobId": job_id, "expectedVersion": expected_version})
