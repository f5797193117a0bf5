"""The list of jobs, followed through `jobsUpdated`."""

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime

from scenewire.decoding import decode
from scenewire.enums import JobStatus
from scenewire.errors import Json, RateLimited, ServerError, Unavailable
from scenewire.inputs import JobFilter
from scenewire.models import JobSummary
from scenewire.streams import Connected

CHECK_SECONDS = 0.25
"""How long the list waits for a job that matches and was not received yet, before it asks again which ones match."""

Jobs = tuple[JobSummary, ...]


class JobList:
    """The jobs that match a filter, as received since the last connection; the newest first."""

    def __init__(self, chosen: JobFilter | None) -> None:
        self._filter: JobFilter = chosen or {}
        self._jobs: dict[str, JobSummary] = {}

    def clear(self) -> None:
        """Begin again, as after each connection: jobs that left the list meanwhile are not sent."""
        self._jobs.clear()

    def accept(self, job: JobSummary) -> None:
        """Add or replace a job, or remove one that does not match any more."""
        known = self._jobs.get(job.id)
        if known is not None and known.version > job.version:
            return
        if self._matches(job):
            self._jobs[job.id] = job
        else:
            self._jobs.pop(job.id, None)

    def has(self, ids: set[str]) -> bool:
        """Return whether all of these jobs were received."""
        return ids <= self._jobs.keys()

    def shown(self) -> Jobs:
        """Return the list in the order of `jobs` of the schema."""
        return tuple(sorted(self._jobs.values(), key=lambda job: (job.created_at, job.id), reverse=True))

    def _matches(self, job: JobSummary) -> bool:
        status, search, owner = self._filter.get("status"), self._filter.get("search"), self._filter.get("owner_id")
        since: datetime | None = self._filter.get("updated_since")
        return (
            job.deleted_at is None
            and (status is None or job.status in [JobStatus(each) for each in status])
            and (search is None or is_part(search, job.title))
            and (owner is None or job.owner_id == owner)
            and (since is None or job.updated_at >= since)
        )


async def lists(
    messages: AsyncGenerator[JobSummary | Connected], jobs: JobList, ids: Callable[[], Awaitable[set[str]]]
) -> AsyncGenerator[Jobs]:
    """Yield the list whenever it changes, but never a part of it: after each connection, once all jobs were received.

    The stream does not tell when it has sent every job that matches, so `ids` asks the server which ones do.
    """
    is_whole, expected = False, None
    shown: Jobs | None = None
    coming = asyncio.ensure_future(anext(messages, None))
    try:
        while True:
            await asyncio.wait((coming,), timeout=None if is_whole else CHECK_SECONDS)
            if coming.done():
                message = coming.result()
                if message is None:
                    return
                coming = asyncio.ensure_future(anext(messages, None))
                if isinstance(message, Connected):
                    jobs.clear()
                    is_whole, expected = False, await _ids(ids)
                else:
                    jobs.accept(message)
            else:
                expected = await _ids(ids)
            is_whole = is_whole or (expected is not None and jobs.has(expected))
            if is_whole and (now := jobs.shown()) != shown:
                shown = now
                yield now
    finally:
        coming.cancel()
        await asyncio.wait((coming,))


def job_of(data: Json) -> JobSummary:
    """Return the job of a message of `jobsUpdated`."""
    return decode(JobSummary, data["jobsUpdated"])


def is_part(search: str, title: str) -> bool:
    """Return whether a text is a part of a title in any case: canonical caseless matching (Unicode, D145)."""
    return _folded(search) in _folded(title)


async def _ids(ids: Callable[[], Awaitable[set[str]]]) -> set[str] | None:
    """Return the ids; None while the server cannot answer."""
    try:
        return await ids()
    except RateLimited as error:
        await asyncio.sleep(error.retry_after_seconds)
    except (Unavailable, ServerError):
        pass
    return None


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())
    return folded.replace("ı", "i").replace("i\u0307", "i")
