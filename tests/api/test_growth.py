"""Bounded storage: with retention spans below a second, steady work adds no more rows and files than are deleted."""

import asyncio
import os
import shutil
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from coordinator import coordinator
from coordinator.commands import idempotency
from coordinator.queue import postgres as postgres_queue
from coordinator.storage import purge
from coordinator.webhooks import deliveries
from models.db.tables import AUDIT, DISCARDED_MEDIA, EVENT, IDEMPOTENCY_KEY, JOB, WEBHOOK_DELIVERY
from providers.joining.joiner import JoinedVideo
from providers.joining.wire import Clip
from tests.support import jobs
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS, eventually
from tests.support.webhook_calls import hook
from tests.support.webhook_receiver import Receiver

pytestmark = pytest.mark.both_databases

KEPT = timedelta(seconds=0.3)
KEPT_EVENTS = 1
ROUNDS = 6
QUICK = jobs.scene(stepSeconds=0.0)


class Work:
    """Rounds of work; after each, what it must have added: rows by table, and files."""

    def __init__(self, app: App, folder: Path) -> None:
        self.app = app
        self.rounds = 0
        self._media = folder / "media"
        self._titled = ""

    async def run(self) -> None:
        """Work until cancelled."""
        self._titled = (await jobs.make(self.app, provider="external")).id
        while True:
            await self._round()
            self.rounds += 1

    async def _round(self) -> None:
        """Render a job, replace its clip and so its video, delete the job, and change another one."""
        made = await jobs.make(self.app, QUICK, start=True, idempotencyKey=str(uuid.uuid4()))
        await jobs.at_rest(self.app, made.id)
        await jobs.change(self.app, "regenerateScene", sceneId=made.scenes[0])
        await jobs.at_rest(self.app, made.id)
        # The payload may be null: without a recovery window the job can be purged before it is read.
        assert (await self.app.mutate("deleteJob", "errors { code }", jobId=made.id))["errors"] == []
        await jobs.retitle(self.app, self._titled, f"Round {self.rounds}")

    async def left(self) -> dict[str, int]:
        """Count what is left of all rounds; each round adds at least one to each number."""
        store = self.app.container.store
        of_one_job = EVENT.c.job_id == self._titled
        counted = {table.name: (table, sa.true()) for table in (AUDIT, IDEMPOTENCY_KEY, JOB, WEBHOOK_DELIVERY)}
        counted |= {"event": (EVENT, of_one_job), "discarded": (DISCARDED_MEDIA, sa.true())}
        async with store.read() as connection:
            found = {
                name: (
                    await connection.execute(sa.select(sa.func.count()).select_from(table).where(which))
                ).scalar_one()
                for name, (table, which) in counted.items()
            }
            if not store.database.embedded:
                log = await connection.exec_driver_sql("SELECT count(*) FROM pgqueuer_log")
                found["pgqueuer_log"] = log.scalar_one()
        # Unlike rglob, walk accepts that folders are deleted meanwhile.
        return found | {"files": sum(len(names) for _, _, names in os.walk(self._media))}


async def join(clips: Sequence[Clip], folder: Path, most_cpu_seconds: float) -> JoinedVideo:
    """Return a copy of the first clip as the video, without a child process."""
    return JoinedVideo(Path(shutil.copy(clips[0].path, folder / "joined.mp4")), "video/mp4", 32, 32, 1.0)


@pytest.mark.slow
@pytest.mark.thorough
async def test_steady_work_leaves_a_bounded_number_of_rows_and_files(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted are events, audit, idempotency keys, deliveries, jobs, replaced media and PgQueuer's log."""
    for module, name, value in (
        (coordinator, "HOUSEKEEPING_SECONDS", 0.2),
        (coordinator, "PURGE_SECONDS", 0.2),
        (idempotency, "KEPT", KEPT),
        (deliveries, "KEPT", KEPT),
        (postgres_queue, "LOG_KEPT", KEPT),
        (purge, "GRACE", KEPT),
    ):
        monkeypatch.setattr(module, name, value)
    shortened: dict[str, Any] = {"event_retention_seconds": 0, "event_retention_versions": KEPT_EVENTS}
    shortened |= {"audit_retention_seconds": 0, "recovery_window_seconds": 1, "limit_cost": 1_000_000}
    async with running(tmp_path, **shortened) as app:
        app.container.coordinator.assemblies.join = join
        await hook(app, receiver.url, "JOB_CREATED")
        work = Work(app, tmp_path)
        working = asyncio.create_task(work.run())
        remaining: dict[str, int] = {}

        async def levelled_off() -> bool:
            """Whether each number was, at some time after many rounds, a third of what the rounds have added."""
            if working.done():
                working.result()
            if work.rounds >= ROUNDS:
                for name, number in (await work.left()).items():
                    remaining[name] = min(number, remaining.get(name, number))
            return bool(remaining) and max(remaining.values()) <= work.rounds / 3

        try:
            await eventually(levelled_off, 2 * TIMEOUT_SECONDS)
        except TimeoutError:
            pytest.fail(f"left of {work.rounds} rounds: {remaining}")
        finally:
            working.cancel()
            await asyncio.wait([working])
