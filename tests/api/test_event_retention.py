"""Pruning of a job's event log: the newest versions stay, and so do young events."""

from datetime import timedelta

import pytest

from coordinator.storage import retention
from coordinator.storage.retention import Retention
from tests.support import jobs
from tests.support.factories import a_job
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]


@pytest.mark.parametrize(("kept", "left"), [(1, [4]), (3, [2, 3, 4]), (4, [1, 2, 3, 4]), (5, [1, 2, 3, 4])])
async def test_prune_keeps_exactly_the_newest_events_of_a_job(shared: App, kept: int, left: list[int]) -> None:
    """As many versions as configured, neither one more nor one less."""
    made = await a_job(shared, "A kite")
    for title in ("Two", "Three", "Four"):
        await jobs.retitle(shared, made.id, title)
    await retention.prune(shared.container.store, Retention(kept, timedelta(0)))
    assert [event["version"] for event in await jobs.log(shared, made.id)] == left


async def test_prune_keeps_young_events_of_a_job(shared: App) -> None:
    """However many there are."""
    made = await a_job(shared, "A kite")
    await jobs.retitle(shared, made.id, "Two")
    await retention.prune(shared.container.store, Retention(1, timedelta(hours=1)))
    assert [event["version"] for event in await jobs.log(shared, made.id)] == [1, 2]
