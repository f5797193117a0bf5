"""The subscriptions whose values are made once for many subscribers, by the name of their field."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strawberry.types.nodes import Selection

from models.domain.errors import Invalid, NotFound, no_such_job
from models.reads import queries
from schema.context import Context
from schema.job_inputs import job_query
from subscriptions.latest import SCENE_INTERVAL_SECONDS
from subscriptions.selection import SelectedMessages, reads_more_than_progress, selected_messages
from subscriptions.shared_job_events import SharedJobEvents
from subscriptions.shared_jobs import SharedJobs
from subscriptions.shared_latest import SharedLatest

INTERVAL_MS = (0, 60_000)


@dataclass(frozen=True, slots=True)
class Sharing:
    """How the values of one subscription are made for many subscribers."""

    make: Callable[[Context, Mapping[str, Any], Any], SharedJobEvents | SharedJobs | SharedLatest]
    """Makes the source from the context, the arguments as the resolver gets them, and what `analyze` found."""
    analyze: Callable[[Sequence[Selection]], object] = lambda _: None
    """Finds what matters of the selected fields, once for a document."""
    position: str | None = None
    """The argument with the version after which a subscriber continues; each subscriber has its own."""


def job_events(context: Context, arguments: Mapping[str, Any], selected: SelectedMessages) -> SharedJobEvents:
    """Return the source of jobEvents."""
    return SharedJobEvents(context, arguments["job_id"], until_settled=arguments["until_settled"], selected=selected)


def check_interval(min_interval_ms: int) -> float:
    """Return an interval in seconds. Raises Invalid when it is out of range."""
    least, most = INTERVAL_MS
    if not least <= min_interval_ms <= most:
        raise Invalid(f"minIntervalMs must be from {least} to {most}.", ["minIntervalMs"])
    return min_interval_ms / 1000


def job_progress(context: Context, arguments: Mapping[str, Any], reads_more: bool) -> SharedLatest:
    """Return the source of jobProgress; `reads_more`: than the row of the job. Raises Invalid."""
    job_id: str = arguments["job_id"]
    interval_seconds = check_interval(arguments["min_interval_ms"])

    async def find_job() -> str:
        return job_id

    async def read(_job_id: str) -> tuple[object, object] | None:
        if reads_more:
            snapshot = await context.loaders.snapshot.load(job_id)
        else:
            snapshot = await queries.progress_alone(context.snapshot, context.viewer, job_id)
        return None if snapshot is None else (snapshot, snapshot)

    return SharedLatest(context, find_job, read, lambda: no_such_job(["jobId"], job_id), interval_seconds)


def scene_updated(context: Context, arguments: Mapping[str, Any], _selected: object) -> SharedLatest:
    """Return the source of sceneUpdated."""
    scene_id: str = arguments["scene_id"]

    def gone() -> NotFound:
        return NotFound("There is no such scene.", ["sceneId"], scene_id)

    async def find_job() -> str:
        async with context.store.read() as connection:
            job_id = await queries.job_of_scene(connection, context.viewer, scene_id)
        if job_id is None:
            raise gone()
        return job_id

    async def read(job_id: str) -> tuple[object, object] | None:
        """Compare the stage of the job too, which may still change when the scenes do not."""
        scene, snapshot = await asyncio.gather(
            context.loaders.scene.load(scene_id), context.loaders.snapshot.load(job_id)
        )
        return None if scene is None or snapshot is None else ((scene, snapshot.current_stage), scene)

    return SharedLatest(context, find_job, read, gone, SCENE_INTERVAL_SECONDS)


def jobs_updated(context: Context, arguments: Mapping[str, Any], _selected: object) -> SharedJobs:
    """Return the source of jobsUpdated. Raises DomainErrors."""
    return SharedJobs(context, job_query(arguments.get("filter"), None))


SHARED: Mapping[str, Sharing] = {
    "jobEvents": Sharing(job_events, selected_messages, position="after"),
    "jobProgress": Sharing(job_progress, reads_more_than_progress),
    "sceneUpdated": Sharing(scene_updated),
    "jobsUpdated": Sharing(jobs_updated),
}
