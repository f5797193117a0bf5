"""The audit log's queue of pending entries, when the task that writes them is canceled."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordinator.audit import AuditLog
from models.db.database import Connection
from models.db.tables import AUDIT
from models.domain.access import LOCAL
from models.domain.errors import Unavailable
from models.domain.events import EventType
from models.writes import audit
from models.writes.audit import AuditContext, Entry
from tests.support.domain import domain

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]


async def test_audit_entry_is_written_once_when_its_write_is_canceled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shutdown cancels the writer and flushes once more: an entry must be neither lost nor written twice."""
    write, writing, may_write = audit.write, asyncio.Event(), asyncio.Event()

    async def slow_write(connection: Connection, entries: Sequence[Entry]) -> None:
        await write(connection, entries)
        writing.set()
        await may_write.wait()

    monkeypatch.setattr(audit, "write", slow_write)
    async with domain(tmp_path) as env:
        log = AuditLog(env.store)
        async with log.mutation(LOCAL, AuditContext("request"), "updateJob", None):
            pass
        flushing = asyncio.create_task(log.flush())
        await writing.wait()
        flushing.cancel()
        await asyncio.sleep(0)
        may_write.set()
        with pytest.raises(asyncio.CancelledError):
            await flushing
        async with env.store.read() as connection:
            assert (await connection.execute(sa.select(AUDIT.c.action))).scalars().all() == ["updateJob"]
        await log.flush_on_shutdown()
        async with env.store.read() as connection:
            assert (await connection.execute(sa.select(AUDIT.c.action))).scalars().all() == ["updateJob"]


@pytest.mark.parametrize("raised", [True, False])
async def test_refusal_after_a_committed_change_is_audited(tmp_path: Path, raised: bool) -> None:
    """The change has recorded OK with its commit; the failure of the rest of the mutation is a second entry."""
    async with domain(tmp_path) as env:
        job_id = await env.a_job()
        log, context = AuditLog(env.store), AuditContext("request")
        with suppress(Unavailable):
            async with log.mutation(LOCAL, context, "updateJob", job_id) as outcome:
                async with env.store.audited(context).change(job_id, LOCAL) as change:
                    change.record(EventType.JOB_UPDATED)
                outcome.result = "UNAVAILABLE"
                if raised:
                    raise Unavailable("UNAVAILABLE", "The database does not answer.")
        await log.flush()
        async with env.store.read() as connection:
            results = (await connection.execute(sa.select(AUDIT.c.result))).scalars().all()
    assert sorted(results) == ["OK", "UNAVAILABLE"]
