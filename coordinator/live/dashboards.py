"""Dashboards: subscribers to every job that a viewer may see. A dashboard costs what its viewer's jobs cost."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import timedelta

from coordinator.retrying import run_when_woken
from coordinator.signal import Signal
from coordinator.tasks import Tasks
from models.db import clock
from models.domain.access import EXTERNAL, Grant, Viewer
from models.reads import queries
from models.writes.store import Store

# Size of the cache of audiences.
JOBS_REMEMBERED = 50_000
# Clock skew between machines, and the time between a change's timestamp and its commit.
OVERLAP = timedelta(seconds=10)

# By job id: whether there was a tick, which does not raise the job's version.
Changed = dict[str, bool]

# Why a dashboard shows a job: the viewer sees all jobs, owns it, is a worker that may report on external
# jobs, or has an access token that names it.
Audience = tuple[str, str]
EVERY = ("every", "")
REPORTED = ("reported", "")


def _of_viewer(viewer: Viewer) -> set[Audience]:
    if viewer.scope is not None:
        if not viewer.holds(Grant.READ):
            return set()
        if viewer.scope.jobs is not None:
            return {("job", job_id) for job_id, _ in viewer.scope.jobs}
    if viewer.sees_all:
        return {EVERY}
    own = ("owner", viewer.id)
    return {own, REPORTED} if viewer.is_worker else {own}


def _of_job(owner_id: str, provider: str) -> frozenset[Audience]:
    own = ("owner", owner_id)
    return frozenset({EVERY, own, REPORTED} if provider == EXTERNAL else {EVERY, own})


class Dashboard:
    """The jobs that changed since the last `take`, each once."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self._changed: Changed = {}
        self.woken = Signal()
        """Set when a job changes."""

    @property
    def has_changed(self) -> bool:
        """Whether a job changed."""
        return bool(self._changed)

    def on_update(self, job_id: str, *, ticked: bool) -> None:
        """Store that a job changed; `ticked` when its version may not have."""
        _add(self._changed, job_id, ticked=ticked)
        self.woken.set()

    async def take(self) -> Changed:
        """Wait until a job changes, then return and forget all changed jobs."""
        await self.woken.wait()
        return self.take_now()

    def take_now(self) -> Changed:
        """Return and forget all changed jobs."""
        self.woken.clear()
        changed, self._changed = self._changed, {}
        return changed


class Dashboards:
    """Notifies each dashboard of changes to the jobs that its viewer may see.

    These are the viewer's own jobs, for a worker also external jobs, for an administrator all jobs. A notification
    carries no data: the dashboard reads the job as its viewer.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_audience: dict[Audience, set[Dashboard]] = {}
        self._audiences: OrderedDict[str, frozenset[Audience]] = OrderedDict()
        self._changed: Changed = {}
        self._compared_at = time.monotonic()
        self._woken = asyncio.Event()
        self._tasks = Tasks("dashboards")
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len({dashboard for dashboards in self._by_audience.values() for dashboard in dashboards})

    @contextmanager
    def join(self, viewer: Viewer) -> Generator[Dashboard]:
        """Return a dashboard that is notified of every change during the block."""
        dashboard = Dashboard(viewer)
        for audience in _of_viewer(viewer):
            self._by_audience.setdefault(audience, set()).add(dashboard)
        if self._task is None:
            self._start()
        try:
            yield dashboard
        finally:
            for audience in _of_viewer(viewer):
                self._by_audience[audience].discard(dashboard)
                if not self._by_audience[audience]:
                    del self._by_audience[audience]
            if not self._by_audience:
                self.stop()

    def on_update(self, job_id: str, *, ticked: bool) -> None:
        """Notify the dashboards of a changed job soon; a no-op without dashboards."""
        if self._by_audience:
            _add(self._changed, job_id, ticked=ticked)
            self._woken.set()

    async def resync(self) -> None:
        """Notify of every job that changed since the last resync: messages may have been lost."""
        if not self._by_audience:
            return
        compared_at = time.monotonic()
        since = timedelta(seconds=compared_at - self._compared_at) + OVERLAP
        async with self._store.read() as connection:
            changed = await queries.jobs_changed_since(connection, await clock.current(connection) - since)
        self._compared_at = compared_at
        for job_id in changed:
            # The change may be a new owner.
            self._audiences.pop(job_id, None)
            self.on_update(job_id, ticked=False)

    def _start(self) -> None:
        self._compared_at = time.monotonic()
        fan_out = run_when_woken(self._woken, self._fan_out, name="dashboards", action="dashboards")
        self._task = self._tasks.start(fan_out)

    def stop(self) -> None:
        """Stop notifying."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _fan_out(self) -> None:
        changed, self._changed = self._changed, {}
        try:
            await self._learn_audiences(changed)
        except BaseException:
            for job_id, ticked in changed.items():
                _add(self._changed, job_id, ticked=ticked)
            raise
        for job_id, ticked in changed.items():
            for audience in (*self._audiences.get(job_id, {EVERY}), ("job", job_id)):
                for dashboard in self._by_audience.get(audience, ()):
                    dashboard.on_update(job_id, ticked=ticked)

    async def _learn_audiences(self, job_ids: Iterable[str]) -> None:
        unknown = [job_id for job_id in job_ids if job_id not in self._audiences]
        if unknown:
            job_heads = await queries.job_heads(self._store.database, unknown)
            for job_id, job_head in job_heads.items():
                self._audiences[job_id] = _of_job(job_head.owner_id, job_head.provider)
        while len(self._audiences) > JOBS_REMEMBERED:
            self._audiences.popitem(last=False)


def _add(changed: Changed, job_id: str, *, ticked: bool) -> None:
    changed[job_id] = ticked or changed.get(job_id, False)
