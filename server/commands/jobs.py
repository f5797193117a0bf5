"""The command `jobs`: the newest jobs of all owners, with their state and progress."""

from collections.abc import Sequence

from models.db import clock
from models.db.database import Database
from models.db.rows import JobRow
from models.domain import rfc3339
from models.domain.access import SYSTEM
from models.domain.lifecycle import JobStatus
from models.domain.paging import Window
from models.domain.progress import ProgressSnapshot
from models.reads import queries
from models.reads.listing import JobQuery, jobs_page
from server.commands import reading, table
from server.commands.cells import share, since
from server.settings import Settings

COLUMNS = (
    table.Column("JOB"),
    table.Column("STATUS"),
    table.Column("%", right=True),
    table.Column("STATE", least=16, dispensable=5),
    table.Column("OWNER", least=table.SHORTEST),
    table.Column("PROVIDER", dispensable=3),
    table.Column("AGE", dispensable=4),
    # Last, so that a title that is read from right to left does not reverse other columns.
    table.Column("TITLE", least=12, dispensable=2),
)


async def show(settings: Settings, *, status: Sequence[JobStatus], owner: str | None, limit: int, as_json: bool) -> int:
    """Print the newest jobs that match, the newest first; return the exit status. Raises WrongSettings."""
    query = JobQuery(status=tuple(status) or None, owner_id=owner)

    async def print_jobs(database: Database) -> None:
        async with database.read() as connection:
            now = await clock.current(connection)
            jobs = (await jobs_page(connection, SYSTEM, query, Window(limit))).items
            progress = await queries.progress_snapshots(connection, SYSTEM, [job.id for job in jobs])
        if as_json:
            for job in jobs:
                table.write_json(_document(job, progress[job.id]))
            return
        rows = [
            (
                job.id,
                job.status.value,
                share(progress[job.id].percentage),
                progress[job.id].stage_label,
                job.owner_id,
                job.provider,
                since(job.created_at, now),
                job.title,
            )
            for job in jobs
        ]
        table.show(table.console(), COLUMNS, rows)

    return await reading.read(settings, print_jobs)


def _document(job: JobRow, progress: ProgressSnapshot) -> dict[str, object]:
    return {
        "id": job.id,
        "title": job.title,
        "owner": job.owner_id,
        "provider": job.provider,
        "status": job.status.value,
        "state": progress.stage_label,
        "percentage": progress.percentage,
        "scenes": job.total,
        "version": job.version,
        "createdAt": rfc3339.text(job.created_at),
        "updatedAt": rfc3339.text(job.updated_at),
    }
