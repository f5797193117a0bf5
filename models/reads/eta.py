"""The ETA of a job, from the durations of the latest takes of its provider and from the queue ahead of its takes."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from models.db.database import Connection
from models.db.statements import without_index
from models.db.tables import JOB, SCENE, TAKE
from models.domain.lifecycle import JobStatus, SceneStatus
from models.domain.progress import ProgressSnapshot
from models.lazy_import import lazily
from models.reads import places

if TYPE_CHECKING:
    import statistics
else:
    statistics = lazily("statistics")

# The number of latest takes of a provider whose median is its typical duration.
TYPICAL_SAMPLE_SIZE = 20


class Running(NamedTuple):
    """A take that is being rendered; `percentage` 0..100, None when the provider reports none."""

    job_id: str
    percentage: float | None
    started_at: datetime | None

    def share_left(self, typical_seconds: float, now: datetime) -> float:
        """Return the remaining share of a typical take, 0..1; without a percentage, estimated from the elapsed time."""
        if self.percentage is not None:
            return max(0.0, 1 - self.percentage / 100)
        if self.started_at is None or typical_seconds <= 0:
            return 1.0
        return min(1.0, max(0.0, 1 - (now - self.started_at).total_seconds() / typical_seconds))


class EtaInputs(NamedTuple):
    """The inputs of a job's ETA.

    `typical_seconds` is None when no take of its provider was ever completed. `running` has all takes of the provider;
    `ahead` counts the takes of all owners that wait for a worker, up to and including the last of the job.
    """

    typical_seconds: float | None
    running: Sequence[Running]
    ahead: int


def eta_seconds(snapshot: ProgressSnapshot, inputs: EtaInputs, *, at_least: int, now: datetime) -> float | None:
    """Return the seconds until no scene of the job is open, or None without a basis for an estimate. Never negative.

    Assumes a concurrency of the takes running now, but `at_least` this number. No take ends before its remaining time.
    """
    typical = inputs.typical_seconds
    if typical is None or snapshot.status is not JobStatus.PROCESSING:
        return None
    left = [each.share_left(typical, now) for each in inputs.running]
    own = [share for each, share in zip(inputs.running, left, strict=True) if each.job_id == snapshot.job_id]
    takes = max(own, default=0.0)
    if snapshot.pending:
        concurrency = max(1, at_least, len(left))
        waiting = max(inputs.ahead, snapshot.pending)
        takes = max(takes, 1.0, (sum(left) + waiting) / concurrency)
    return round(takes * typical, 1)


async def eta_inputs(connection: Connection, job_ids: Sequence[str]) -> dict[str, EtaInputs]:
    """Return the ETA inputs of each of these jobs; the caller must have checked that they are visible."""
    query = sa.select(JOB.c.id, JOB.c.provider).where(JOB.c.id.in_(job_ids))
    providers = {str(job_id): str(provider) for job_id, provider in await connection.execute(query)}
    typical = await typical_seconds(connection, sorted(set(providers.values())))
    running = await _running(connection, providers)
    ahead = await places.takes_ahead(connection, job_ids)
    return {
        job_id: EtaInputs(typical.get(provider), running[provider], ahead.get(job_id, 0))
        for job_id, provider in providers.items()
    }


async def typical_seconds(connection: Connection, providers: Sequence[str]) -> dict[str, float]:
    """Return the median duration of the latest completed takes of each provider; absent if there are none.

    Not the mean, because a take that was resumed after a night without power would distort it.
    """
    if not providers:
        return {}
    latest = sa.union_all(*(sa.select(_latest(provider).subquery()) for provider in providers))
    lasted: defaultdict[str, list[float]] = defaultdict(list)
    for provider, start, end in await connection.execute(latest):
        # The clocks of several machines differ.
        lasted[provider].append(max(0.0, (end - start).total_seconds()))
    return {provider: statistics.median(seconds) for provider, seconds in lasted.items()}


def _latest(provider: str) -> sa.Select[Any, Any, Any]:
    return (
        sa.select(TAKE.c.provider, TAKE.c.started_at, TAKE.c.finished_at)
        .where(
            TAKE.c.provider == provider,
            TAKE.c.status == SceneStatus.COMPLETED,
            TAKE.c.started_at.is_not(None),
            TAKE.c.finished_at.is_not(None),
        )
        .order_by(TAKE.c.finished_at.desc())
        .limit(TYPICAL_SAMPLE_SIZE)
    )


async def _running(connection: Connection, providers: dict[str, str]) -> defaultdict[str, list[Running]]:
    """Return the running takes of each provider; of takes on external workers only those of these jobs."""
    select = (
        sa.select(JOB.c.provider, SCENE.c.job_id, SCENE.c.percentage, TAKE.c.started_at)
        .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id).join(TAKE, TAKE.c.id == SCENE.c.take_id))
        .where(SCENE.c.deleted_at.is_(None), JOB.c.provider.in_(set(providers.values())))
    )
    # Each half has an index: all scenes that are processed are many where external workers report.
    leased = select.where(SCENE.c.leased_by.is_not(None), SCENE.c.status == SceneStatus.PROCESSING)
    status = without_index(connection.dialect.name, SCENE.c.status)
    reported = (SCENE.c.leased_by.is_(None), SCENE.c.job_id.in_(providers), status == SceneStatus.PROCESSING)
    query = leased.union_all(select.where(*reported))
    running: defaultdict[str, list[Running]] = defaultdict(list)
    for provider, job_id, percentage, started_at in await connection.execute(query):
        running[provider].append(Running(job_id, percentage, started_at))
    return running
