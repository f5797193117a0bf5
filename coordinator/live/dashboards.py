"""Dashboards: watchers of every job that a viewer may see. Each costs what its viewer's jobs cost, not what all do."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import timedelta

from models.domain.access import EXTERNAL, Viewer
from models.domain.errors import Unavailable
from models.reads import queries
from models.writes.store import Store, now

log = logging.getLogger(__name__)

JOBS_REMEMBERED = 50_000
# Clocks of several machines differ, and a change is dated before it is committed.
OVERLAP = timedelta(seconds=10)
AGAIN_SECONDS = 0.5


# By job id, whether something changed that the job's version does not count.
Changed = dict[str, bool]

# What makes jobs interesting to a dashboard: that they are jobs, whose they are, or that others report on them.
EVERY = ("every", "")
REPORTED = ("reported", "")
Audience = tuple[str, str]


def _of_viewer(viewer: Viewer) -> set[Audience]:
    if viewer.sees_all:
        return {EVERY}
    own = ("owner", viewer.id)
    return {own, REPORTED} if viewer.works else {own}


def _of_job(owner_id: str, provider: str) -> frozenset[Audience]:
    own = ("owner", owner_id)
    return frozenset({EVERY, own, REPORTED} if provider == EXTERNAL else {EVERY, own})


class Dashboard:
    """The jobs that changed since they were last taken, each once."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self._changed: Changed = {}
        self._woken = asyncio.Event()

    def on_update(self, job_id: str, *, ticked: bool) -> None:
        """A job changed, or only something of it that its version does not count."""
        self._changed[job_id] = ticked or self._changed.get(job_id, False)
        self._woken.set()

    async def take(self) -> "Changed":
        """Wait until some job changed, and take all that did."""
        await self._woken.wait()
        self._woken.clear()
        changed, self._changed = self._changed, {}
        return changed


class Dashboards:
    """Tells each dashboard of the jobs of its owner; a worker's also of those it may report on, an administrator's of
    all. It is only told: what it shows it reads as its viewer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_audience: dict[Audience, set[Dashboard]] = {}
        self._audiences: OrderedDict[str, frozenset[Audience]] = OrderedDict()
        self._changed: Changed = {}
        self._compared_at = now()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len({dashboard for dashboards in self._by_audience.values() for dashboard in dashboards})

    @contextmanager
    def join(self, viewer: Viewer) -> Generator[Dashboard]:
        """A dashboard that hears of every change from now on."""
        dashboard = Dashboard(viewer)
        for audience in _of_viewer(viewer):
            self._by_audience.setdefault(audience, set()).add(dashboard)
        if self._task is None:
            self._compared_at = now()
            self._task = asyncio.create_task(self._run(), name="dashboards")
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
        """A job changed; nobody cares when there is no dashboard."""
        if self._by_audience:
            self._changed[job_id] = ticked or self._changed.get(job_id, False)
            self._woken.set()

    async def resync(self) -> None:
        """Hear of every job that changed since this was last asked: messages may have been lost."""
        if not self._by_audience:
            return
        compared_at = now()
        async with self._store.read() as connection:
            changed = await queries.changed_since(connection, self._compared_at - OVERLAP)
        self._compared_at = compared_at
        for job_id in changed:
            # Whose it is may be what has changed.
            self._audiences.pop(job_id, None)
            self.on_update(job_id, ticked=False)

    def stop(self) -> None:
        """Stop telling."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            changed, self._changed = self._changed, {}
            try:
                await self._learn_audiences(changed)
            except Exception as error:
                if not isinstance(error, Unavailable):
                    log.exception("jobs not read", extra={"action": "dashboards.audiences"})
                self._changed = changed | self._changed
                await asyncio.sleep(AGAIN_SECONDS)
                self._woken.set()
                continue
            for job_id, ticked in changed.items():
                for audience in self._audiences.get(job_id, {EVERY}):
                    for dashboard in self._by_audience.get(audience, ()):
                        dashboard.on_update(job_id, ticked=ticked)

    async def _learn_audiences(self, job_ids: Iterable[str]) -> None:
        unknown = [job_id for job_id in job_ids if job_id not in self._audiences]
        if unknown:
            async with self._store.read() as connection:
                job_heads = await queries.job_heads(connection, unknown)
            for job_id, job_head in job_heads.items():
                self._audiences[job_id] = _of_job(job_head.owner_id, job_head.provider)
        while len(self._audiences) > JOBS_REMEMBERED:
            self._audiences.popitem(last=False)
