"""The commands on a job."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from coordinator.commands import asking, deletion, fitting, scene_inputs
from coordinator.commands.catalogue import Catalogue, Models
from coordinator.commands.fitting import Asked
from coordinator.commands.idempotency import KEY_PATH, Answer, Idempotency, run_once
from coordinator.commands.inputs import JobEdit, NewJob
from coordinator.commands.new_rows import insert_scene, new_job_row
from coordinator.commands.policy import JobPolicy
from coordinator.commands.scheduling import schedule_takes
from models.db.cancellation import raise_if_cancelled
from models.db.rows import JobRow, SceneRow
from models.domain import ids, settings
from models.domain.access import Viewer
from models.domain.errors import DomainError, DomainErrors, ErrorCode, InvalidState
from models.domain.events import EventType
from models.domain.json_values import same_json
from models.domain.lifecycle import OPEN, SETTLED_JOB, JobStatus, SceneStatus
from models.domain.rules import SCENES_PER_JOB, Problems, too_many_scenes
from models.writes.change import Change
from models.writes.store import Store

_PATH = ["input", "jobId"]


class Jobs:
    """The commands on a job. Each raises DomainError or DomainErrors when refused, and then has changed nothing."""

    def __init__(
        self,
        store: Store,
        providers: Sequence[str],
        default_provider: str,
        policy: JobPolicy,
        catalogue: Catalogue | None = None,
    ) -> None:
        """Without a catalogue, every model can do everything."""
        self._store = store
        self._catalogue = catalogue or Catalogue()
        self._providers = providers
        self._default_provider = default_provider
        self._policy = policy

    async def create(self, viewer: Viewer, new: NewJob) -> str:
        """Create a job and return its id; with `start`, its scenes are scheduled in the same transaction."""
        provider = self._provider_of(new)

        async def act(idempotency: Idempotency) -> Answer:
            job = new_job_row(viewer, new, provider)
            models = await self._catalogue.read()
            _check_fits(models, job, new)
            async with self._store.create(job, viewer) as change:
                answer = await idempotency.remember(change, {"jobId": job.id})
                await _check_inputs(change, new)
                change.record(EventType.JOB_CREATED, changed=["title", "scenes"])
                for position, scene in enumerate(new.scenes):
                    insert_scene(change, ids.new("scene"), scene, position, self._policy.max_attempts, models)
                if new.start:
                    await start_job(change)
            return answer

        problems = self._problems_of(new, provider)
        key = new.idempotency_key
        answer = await run_once(self._store, viewer, "createJob", key, new, act, problems=problems)
        return answer["jobId"]

    async def update(self, viewer: Viewer, job_id: str, edit: JobEdit, expected_version: int | None = None) -> None:
        """Change a job's own fields; equal values are no change. Its scenes must still fit other settings."""
        problems = Problems()
        if "title" in edit:
            problems.title(edit["title"], ["input", "title"], required=True)
        if "metadata" in edit:
            problems.metadata(edit["metadata"], ["input", "metadata"])
        settings.check(problems, edit.get("settings"), ["input", "settings"])
        problems.check()
        models = await self._catalogue.read() if "settings" in edit else self._catalogue.latest
        async with self._store.change(job_id, viewer, expected_version=expected_version) as change:
            values: dict[str, Any] = dict(edit)
            if "settings" in edit:
                named = settings.without_provider(change.job.provider, edit["settings"])
                values["settings"] = settings.edited(change.job.settings, named)
            changed = {name: value for name, value in values.items() if not same_json(getattr(change.job, name), value)}
            if changed:
                change.set_job(**changed)
                if "settings" in changed:
                    await _check_scenes(change, models)
                change.record(EventType.JOB_UPDATED, changed=list(changed))

    async def start(
        self, viewer: Viewer, job_id: str, expected_version: int | None = None, key: str | None = None
    ) -> None:
        """Schedule the scenes of a pending job; a job that is processing stays unchanged."""
        await self._act(viewer, "startJob", job_id, expected_version, key, _start)

    async def cancel(
        self, viewer: Viewer, job_id: str, expected_version: int | None = None, key: str | None = None
    ) -> None:
        """Cancel every open scene; completed and failed ones stay. A canceled job stays unchanged."""
        await self._act(viewer, "cancelJob", job_id, expected_version, key, _cancel)

    async def delete(
        self, viewer: Viewer, job_id: str, expected_version: int | None = None, key: str | None = None
    ) -> None:
        """Delete a job, recoverable until `purge_after`; see `deletion.delete_job`."""

        async def delete(change: Change) -> None:
            deletion.delete_job(change, self._policy.recovery_window, _PATH)

        await self._act(viewer, "deleteJob", job_id, expected_version, key, delete)

    async def restore(
        self, viewer: Viewer, job_id: str, expected_version: int | None = None, key: str | None = None
    ) -> None:
        """Restore a deleted job; see `deletion.restore_job`."""

        async def restore(change: Change) -> None:
            deletion.restore_job(change, _PATH)

        await self._act(viewer, "restoreJob", job_id, expected_version, key, restore, deleted=True)

    async def _act(
        self,
        viewer: Viewer,
        operation: str,
        job_id: str,
        expected_version: int | None,
        key: str | None,
        command: Callable[[Change], Awaitable[None]],
        *,
        deleted: bool = False,
    ) -> None:
        """Run the command in a change of the job, once per key."""

        async def act(idempotency: Idempotency) -> Answer:
            expected = expected_version
            async with self._store.change(job_id, viewer, expected_version=expected, deleted=deleted) as change:
                answer = await idempotency.remember(change, {})
                await command(change)
            return answer

        request = {"jobId": job_id, "expectedVersion": expected_version}
        await run_once(self._store, viewer, operation, key, request, act)

    def _provider_of(self, new: NewJob) -> str:
        """Return the provider that is named, that of the model that is named, or the default."""
        if new.provider is not None:
            return new.provider
        prefix = str((new.settings or {}).get("model") or "").partition("/")[0]
        return prefix if prefix in self._providers else self._default_provider

    def _problems_of(self, new: NewJob, provider: str) -> Problems:
        problems = Problems()
        problems.title(new.title, ["input", "title"], required=True)
        problems.key(new.idempotency_key, KEY_PATH)
        if new.metadata is not None:
            problems.metadata(new.metadata, ["input", "metadata"])
        settings.check(problems, new.settings, ["input", "settings"])
        if provider not in self._providers:
            known = ", ".join(self._providers)
            problems.add(f"There is no such provider here; there are: {known}.", ["input", "provider"])
        if new.start and not new.scenes:
            problems.add("A job without scenes cannot be started.", ["input", "start"])
        if len(new.scenes) > SCENES_PER_JOB:
            problems.add_error(too_many_scenes(["input", "scenes"]))
        else:
            for index, scene in enumerate(new.scenes):
                scene.check(problems, ["input", "scenes", str(index)])
        return problems


def _check_fits(models: Models, job: JobRow, new: NewJob) -> None:
    """Raise DomainErrors with what the models of a new job cannot do: of its own settings, else of its scenes."""
    found: list[DomainError] = _misfits_of_job(models, job, elsewhere=new.provider is None)
    for index, scene in enumerate(() if found else new.scenes):
        try:
            asking.check_new(models, job, scene, ["input", "scenes", str(index)], elsewhere=new.provider is None)
        except DomainErrors as error:
            found += error.refusals
    if found:
        raise DomainErrors(found)


def _misfits_of_job(models: Models, job: JobRow, *, elsewhere: bool = False) -> list[DomainError]:
    if not job.settings:
        return []
    return list(fitting.refusals(models, job.provider, Asked(job.settings), ["input"], elsewhere=elsewhere))


async def _check_inputs(change: Change, new: NewJob) -> None:
    """Raise DomainErrors with the inputs of new scenes that cannot be had."""
    found: list[DomainError] = []
    for index, scene in enumerate(new.scenes):
        inputs = settings.stored_inputs(scene.inputs)
        if inputs is None:
            continue
        try:
            await scene_inputs.check(change, inputs, ["input", "scenes", str(index), "inputs"])
        except DomainErrors as error:
            raise_if_cancelled(error)
            found += error.refusals
    if found:
        raise DomainErrors(found)


async def _check_scenes(change: Change, models: Models) -> None:
    """Raise DomainErrors with what does not fit the settings of the job: in them, else in its live scenes."""
    if models.is_open(change.job.provider):
        return
    found = _misfits_of_job(models, change.job)
    for scene in () if found else await change.live_scenes():
        try:
            asking.check_fits(models, change.job, scene, ["input", "scenes", str(scene.position)])
        except DomainErrors as error:
            found += error.refusals
    if found:
        raise DomainErrors(found)


async def start_job(change: Change) -> None:
    """Start the job: it leaves the draft, and its pending scenes are scheduled."""
    if change.job.total == 0:
        raise InvalidState(ErrorCode.INVALID_TRANSITION, "A job without scenes cannot be started.", ("input", "jobId"))
    change.set_job(started_at=change.now)
    change.record(EventType.JOB_STARTED, changed=["status", "startedAt"])
    await schedule_takes(change, await change.pending_takes())


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
    """Return the columns of a scene whose render has ended."""
    return {
        "finished_at": change.now,
        "next_attempt_at": None,
        "queued_at": None,
        "reported_at": None,
        "leased_by": None,
        "frame": None,
    }


async def _start(change: Change) -> None:
    if change.job.status in SETTLED_JOB:
        raise _settled(change.job, "started")
    if not change.job.left_draft:
        await start_job(change)


async def _cancel(change: Change) -> None:
    if change.job.status in SETTLED_JOB - {JobStatus.CANCELED}:
        raise _settled(change.job, "canceled")
    if change.job.status is not JobStatus.CANCELED:
        change.set_job(canceled_at=change.now)
        change.record(EventType.JOB_CANCELED, changed=["status"])
        for scene in await change.live_scenes():
            if scene.status in OPEN:
                await cancel_scene(change, scene)


def _settled(job: JobRow, participle: str) -> InvalidState:
    return InvalidState(
        ErrorCode.INVALID_TRANSITION,
        f"The job is {job.status.value.lower()} and cannot be {participle}; regenerate a scene to continue it.",
        _PATH,
    )
