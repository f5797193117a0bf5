"""Missed events of Subscription.jobEvents: their jobs and scenes are current, and are not read once per event."""

import asyncio
import math
import time
from collections.abc import Generator, Iterable
from contextlib import aclosing
from typing import Any

import pytest

from models.db.rows import EventRow
from models.db.snapshot import SERIES_SECONDS, Snapshot
from subscriptions.job_events import JobEvents
from tests.support import jobs
from tests.support.internals import context_of, flood, info_of, row_of
from tests.support.job_feed import FEED
from tests.support.server_app import App
from tests.support.statements import recorded_reads

EVENTS = 120


async def test_missed_events_share_the_reads_of_their_job(app: App) -> None:
    """Fewer statements than half the number of events are executed."""
    made = await jobs.make(app, provider="external")
    await flood(app, made.id, EVENTS)
    async with (
        recorded_reads(app.container.database) as statements,
        app.subscribe(FEED, jobId=made.id, after=1) as stream,
    ):
        received = [(await stream.next())["jobEvents"] for _ in range(EVENTS)]
    assert [each["version"] for each in received] == list(range(2, EVENTS + 2))
    assert {each["now"]["version"] for each in received} == {EVENTS + 1}
    assert 0 < len(statements) < EVENTS / 2


@pytest.fixture
def decisions(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For each item answered from the snapshot of a series, a time before it was decided that the snapshot is new
    enough: however long the answers take, it is at most SERIES_SECONDS after the snapshot."""
    decided_at: list[float] = []
    series = Snapshot.series

    def recorded(snapshot: Snapshot, items: Iterable[Any]) -> Generator[Any]:
        answered = series(snapshot, items)
        decided = before = time.monotonic()
        for item in answered:
            decided_at.append(decided)
            decided = before
            yield item
            before = time.monotonic()

    monkeypatch.setattr(Snapshot, "series", recorded)
    return decided_at


async def test_job_of_a_missed_event_is_current(app: App, decisions: list[float]) -> None:
    """At least as new as the event, and as the version acknowledged 0.1 s ago; for a live event it is read again."""
    made = await jobs.make(app, provider="external")
    await flood(app, made.id, EVENTS)
    acknowledged = [(-math.inf, 0)]

    async def write() -> None:
        for number in range(EVENTS):
            version = await jobs.retitle(app, made.id, f"Meanwhile {number}")
            acknowledged.append((time.monotonic(), version))

    def acknowledged_before(before: float) -> int:
        return max(version for at, version in acknowledged if at <= before)

    context = context_of(app)
    stream = JobEvents(info_of(context), await row_of(app, made.id), 1, until_settled=False)
    writing = asyncio.create_task(write())
    seen = 1
    async with aclosing(stream.messages()) as messages:
        async for message in messages:
            assert isinstance(message, EventRow)
            version = message.version
            old = acknowledged_before(decisions[-1] - SERIES_SECONDS)
            await asyncio.sleep(0.002)
            job = await context.loaders.job.load(made.id)
            assert job is not None
            assert job.version >= max(version, old, seen)
            seen = job.version
            if version == 2 * EVENTS + 1:
                break
        await writing
        version = await jobs.retitle(app, made.id, "Live")
        live = await anext(messages)
        assert isinstance(live, EventRow)
        assert live.version == version
        job = await context.loaders.job.load(made.id)
        assert job is not None
        assert job.title == "Live"
        # Nothing is cached between two messages.
        await context.answered()
        for title in ("Livelier", "Liveliest"):
            await jobs.retitle(app, made.id, title)
            job = await context.loaders.job.load(made.id)
            assert job is not None
            assert job.title == title
