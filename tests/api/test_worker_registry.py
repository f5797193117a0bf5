"""The registry of leased workers: what a process remembers of them, and what it writes."""

import pytest
import sqlalchemy as sa

from coordinator.leases.inputs import Declared
from coordinator.leases.registry import Registry
from models.db.lease_tables import WORKER
from models.domain.access import LOCAL
from models.domain.leases import GONE_AFTER
from models.reads import leases
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]


async def test_a_worker_is_as_it_was_described_last(shared: App) -> None:
    """Also when it has described itself otherwise to another process in between."""
    store = shared.container.store
    first, second = Registry(store), Registry(store)
    well, ill = Declared("roaming", ("wan",)), Declared("roaming", ("wan",), unhealthy_reason="It is hot.")
    for registry, declared in ((first, well), (second, ill), (first, well)):
        await registry.seen(LOCAL, declared)
    await first.flush()
    await first.seen(LOCAL, well)
    found = (await shared.execute("{ workers { name reason } }"))["workers"]
    assert {"name": "roaming", "reason": None} in found


async def test_a_worker_that_comes_back_is_written_again(shared: App) -> None:
    """After a long silence a process does not trust what it knows: the row may have been deleted meanwhile."""
    store, passed = shared.container.store, [0.0]
    registry, declared = Registry(store, lambda: passed[0]), Declared("away", ("wan",))
    first = await registry.seen(LOCAL, declared)
    assert await registry.seen(LOCAL, declared) is first
    async with store.write() as connection:
        await connection.execute(sa.delete(WORKER).where(WORKER.c.id == first.id))
    passed[0] += 2 * GONE_AFTER.total_seconds()
    again = await registry.seen(LOCAL, declared)
    async with store.read() as connection:
        assert [*await leases.workers_by_id(connection, LOCAL, [first.id, again.id])] == [again.id]
