"""Access to the internals of live streams, so that a test controls the order of events."""

from dataclasses import replace
from typing import cast

from models.db.rows import JobRow
from models.domain.access import LOCAL, SYSTEM
from models.reads import queries
from schema.context import Context, Info
from subscriptions.feed import Feed
from tests.support.server_app import App
from tests.support.waiting import eventually


def context_of(app: App, buffered_events: int = 8) -> Context:
    """Return the context of one operation of the server."""
    return replace(app.container.context(LOCAL), buffered_events=buffered_events)


def info_of(context: Context) -> Info:
    """Return the part of a resolver's info that a feed uses."""

    class Minimal:
        def __init__(self) -> None:
            self.context = context
            self.selected_fields: list[object] = []

    return cast("Info", Minimal())


async def row_of(app: App, job_id: str) -> JobRow:
    """Return the current row of a job."""
    async with app.container.store.read() as connection:
        return (await queries.jobs_by_id(connection, SYSTEM, [job_id]))[job_id]


async def flood(app: App, job_id: str, changes: int) -> int:
    """Change a job this many times. Return its version when all its watchers have been notified."""
    witness = Feed()
    async with app.container.hub.join(job_id, witness):
        version = (await row_of(app, job_id)).version
        for _ in range(changes):
            version += 1
            await app.container.coordinator.commands().jobs.update(
                LOCAL, job_id, {"title": f"Title at version {version}"}
            )
        # One reader notifies all watchers at once, so the others have received what this one has.
        await eventually(lambda: witness.latest is not None and witness.latest.version == version)
    return version
