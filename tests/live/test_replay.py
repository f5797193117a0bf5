"""What goes with the events that a client of Subscription.jobEvents has missed: the present, and not each time anew."""

import asyncio
import time
from contextlib import aclosing

from sqlalchemy import event

from models.db.rows import EventRow
from schema.loaders import REMEMBERED_SECONDS
from subscriptions.job_events import JobEvents
from tests.support import jobs
from tests.support.internals import context_of, flood, info_of, row_of
from tests.support.job_feed import FEED
from tests.support.server_app import App

EVENTS = 120
# Between a row's being read and a test's being told of it.
SLACK_SECONDS = 0.05


async def test_many_events_do_not_ask_the_database_each(app: App) -> None:
    """They show the same job and the same scenes."""
    made = await jobs.make(app, provider="external")
    await flood(app, made.id, EVENTS)
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    engine = app.container.database.reader.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        async with app.subscribe(FEED, jobId=made.id, after=1) as stream:
            told = [(await stream.next())["jobEvents"] for _ in range(EVENTS)]
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert [each["version"] for each in told] == list(range(2, EVENTS + 2))
    assert {each["now"]["version"] for each in told} == {EVENTS + 1}
    assert len(statements) < EVENTS / 2


async def test_what_goes_with_an_event_is_of_now(app: App) -> None:
    """At least as new as the event, and as what was acknowledged a tenth of a second ago; live: a moment ago."""
    made = await jobs.make(app, provider="external")
    await flood(app, made.id, EVENTS)
    acknowledged = [(0.0, 0)]

    async def write() -> None:
        for number in range(EVENTS):
            version = await jobs.retitle(app, made.id, f"Meanwhile {number}")
            acknowledged.append((time.monotonic(), version))

    def known(seconds: float) -> int:
        before = time.monotonic() - seconds
        return max(version for at, version in acknowledged if at <= before)

    context = context_of(app)
    stream = JobEvents(info_of(context), await row_of(app, made.id), 1, until_settled=False)
    writing = asyncio.create_task(write())
    seen = 1
    async with aclosing(stream.messages()) as messages:
        async for message in messages:
            assert isinstance(message, EventRow)
            version = message.version
            old = known(REMEMBERED_SECONDS + SLACK_SECONDS)
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
        # A live event is not of the past: what was read for it is not remembered.
        for title in ("Live", "Livelier"):
            await jobs.retitle(app, made.id, title)
            job = await context.loaders.job.load(made.id)
            assert job is not None
            assert job.title == title
