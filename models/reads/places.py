"""The place of waiting takes in the queue: how many takes are claimed before, while nothing is added.

Takes are claimed in rounds (`models.reads.turns`): each round of a provider has one take of every owner, and each round
of an owner one take of every job. So the place follows from the lengths of the lines, and only jobs are read, not their
takes: `job.pending` counts those.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import sqlalchemy as sa

from models.db.database import Connection
from models.db.tables import JOB, SCENE
from models.db.turn_tables import JOB_TURN, OWNER_TURN
from models.domain.access import EXTERNAL
from models.domain.lifecycle import JobStatus
from models.reads.queries import waits_for_worker
from models.reads.turns import IN_JOB

Column = sa.ColumnElement[Any]
# The turn of jobs and owners that an earlier program scheduled, until the reconciler notes it.
_LAST = 2**62


async def of_scenes(connection: Connection, scene_ids: Sequence[str]) -> dict[str, int]:
    """Return the place of each of these scenes, from 0; absent for scenes that do not wait for a worker."""
    asked: dict[str, tuple[str, int]] = {}
    for scene_id, job_id, number in await connection.execute(_numbers(scene_ids)):
        asked[scene_id] = job_id, number
    queue = await _read(connection, {job_id for job_id, _ in asked.values()})
    return {scene_id: queue.place(*take) for scene_id, take in asked.items() if take[0] in queue.jobs}


async def takes_ahead(connection: Connection, job_ids: Collection[str]) -> dict[str, int]:
    """Return how many takes are claimed up to the last one of each of these jobs; absent for jobs without a line."""
    queue = await _read(connection, job_ids)
    return {job_id: queue.place(job_id, job.takes) + 1 for job_id, job in queue.jobs.items()}


class _Lengths:
    """How many lines there are of each length."""

    def __init__(self, counts: Counter[int]) -> None:
        self._lengths = sorted(counts)
        numbers = [counts[length] for length in self._lengths]
        # Of the lines shorter than each length: their number, and the sum of their lengths.
        self._shorter = [0, *accumulate(numbers)]
        self._sums = [0, *accumulate(length * number for length, number in zip(self._lengths, numbers, strict=True))]

    def at_least(self, length: int) -> int:
        """Return the number of lines that are at least this long."""
        return self._shorter[-1] - self._shorter[bisect_left(self._lengths, length)]

    def in_rounds(self, rounds: int) -> int:
        """Return the number of takes in the first rounds."""
        index = bisect_left(self._lengths, rounds)
        return self._sums[index] + rounds * (self._shorter[-1] - self._shorter[index])


class _Rounds:
    """Lines that take turns, in sections that each end with a line whose takes are asked for, but the last one."""

    def __init__(self, sections: dict[int, Counter[int]]) -> None:
        self._up_to: dict[int, _Lengths] = {}
        counts = Counter[int]()
        for section in sorted(sections):
            counts.update(sections[section])
            self._up_to[section] = _Lengths(counts)
        self._all = _Lengths(counts)

    def place(self, section: int, number: int) -> int:
        """Return the place, from 0, of a take of the last line of the section; `number` is its own in the line."""
        return self._all.in_rounds(number - 1) + self._up_to[section].at_least(number) - 1


class _Job(NamedTuple):
    """A job whose takes are asked for, of which this many wait."""

    line: tuple[str, str]
    section: int
    takes: int


class _Queue:
    """The lines of jobs, by provider and owner, and the lines of owners, by provider."""

    def __init__(self, lines: Sequence[Sequence[Any]]) -> None:
        self.jobs: dict[str, _Job] = {}
        self._section_of_owner: dict[tuple[str, str], int] = {}
        found: defaultdict[tuple[str, ...], defaultdict[int, Counter[int]]]
        found = defaultdict(lambda: defaultdict(Counter[int]))
        for provider, owner_id, asked_id, section, length, number in lines:
            if owner_id is not None:
                found[provider, owner_id][section][length] += number
                if asked_id is not None:
                    self.jobs[asked_id] = _Job((provider, owner_id), section, length)
                continue
            found[provider,][section][length] += number
            if asked_id is not None:
                self._section_of_owner[provider, asked_id] = section
        self._rounds = {key: _Rounds(sections) for key, sections in found.items()}

    def place(self, job_id: str, number: int) -> int:
        """Return the place of the take of a job with this number, from 1, in the job."""
        line, section, _ = self.jobs[job_id]
        of_owner = self._rounds[line].place(section, number) + 1
        return self._rounds[line[0],].place(self._section_of_owner[line], of_owner)


def _numbers(scene_ids: Sequence[str]) -> sa.Select[str, str, int]:
    """Return the SELECT of the waiting scenes among these, with their jobs and their numbers in these, from 1."""
    asked = sa.select(SCENE.c.id, SCENE.c.job_id).where(SCENE.c.id.in_(scene_ids)).cte("asked")
    waiting = (
        sa.select(SCENE.c.id, SCENE.c.job_id)
        .add_columns(sa.func.row_number().over(partition_by=SCENE.c.job_id, order_by=IN_JOB).label("number"))
        .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id))
        # In a CASE, so that the scenes are found by the index of their job, and not by one of all that wait.
        .where(SCENE.c.job_id.in_(sa.select(asked.c.job_id)), sa.case((waits_for_worker(), 1), else_=0) == 1)
        .subquery()
    )
    return sa.select(waiting.c.id, waiting.c.job_id, waiting.c.number).join_from(
        asked, waiting, waiting.c.id == asked.c.id
    )


async def _read(connection: Connection, job_ids: Collection[str]) -> _Queue:
    """Read the lines of the providers of these jobs; `jobs` has those that are in a line."""
    return _Queue((await connection.execute(_lines(job_ids))).all() if job_ids else ())


def _lines(job_ids: Collection[str]) -> sa.CompoundSelect[*tuple[Any, ...]]:
    """Return the SELECT of the lengths of lines: provider, owner, whose line it is, section, length, number of lines.

    The owner is null for lines of owners. Whose line it is, is null for what is not asked for.
    """
    columns = [JOB.c.id, JOB.c.provider, JOB.c.owner_id, JOB.c.pending]
    asked = sa.select(*columns, JOB.c.status, JOB.c.deleted_at).where(JOB.c.id.in_(job_ids)).cte("asked")
    noted = (
        sa.select(JOB_TURN.c.job_id, JOB_TURN.c.provider, JOB_TURN.c.owner_id, JOB.c.pending, JOB_TURN.c.turn)
        .select_from(JOB_TURN.join(JOB, JOB.c.id == JOB_TURN.c.job_id))
        .where(JOB_TURN.c.provider.in_(sa.select(asked.c.provider)), JOB.c.deleted_at.is_(None), JOB.c.pending > 0)
    )
    unnoted = sa.select(
        asked.c.id, asked.c.provider, asked.c.owner_id, asked.c.pending, sa.literal_column(str(_LAST), sa.BigInteger)
    ).where(
        asked.c.provider != EXTERNAL,
        asked.c.status == JobStatus.PROCESSING,
        asked.c.deleted_at.is_(None),
        asked.c.pending > 0,
        ~sa.exists().where(JOB_TURN.c.job_id == asked.c.id),
    )
    jobs = noted.union_all(unnoted).cte("jobs")
    return _lines_of_jobs(jobs, asked).union_all(_lines_of_owners(jobs, asked))


def _lines_of_jobs(jobs: sa.CTE, asked: sa.CTE) -> sa.Select[*tuple[Any, ...]]:
    """Return the SELECT of the lines of the jobs of owners whose takes are asked for."""
    line = [jobs.c.provider, jobs.c.owner_id]
    each = (
        sa.select(*line, jobs.c.pending.label("length"))
        .add_columns(*_sections(jobs.c.job_id, asked.c.id, line, [jobs.c.turn, jobs.c.job_id]))
        .where(jobs.c.owner_id.in_(sa.select(asked.c.owner_id)))
        .subquery("lines_of_jobs")
    ).c
    return _counted(each.provider, each.owner_id, each.asked_id, each.section, each.length)


def _lines_of_owners(jobs: sa.CTE, asked: sa.CTE) -> sa.Select[*tuple[Any, ...]]:
    """Return the SELECT of the lines of all owners, which are as long as those of their jobs together."""
    owners = (
        sa.select(jobs.c.provider, jobs.c.owner_id, sa.func.sum(jobs.c.pending).label("length"))
        .group_by(jobs.c.provider, jobs.c.owner_id)
        .subquery("owners")
    )
    line = [owners.c.provider, owners.c.owner_id]
    turn = sa.func.coalesce(OWNER_TURN.c.turn, sa.literal_column(str(_LAST), sa.BigInteger))
    each = (
        sa.select(owners.c.provider, owners.c.length)
        .add_columns(*_sections(owners.c.owner_id, asked.c.owner_id, line[:1], [turn, owners.c.owner_id]))
        .outerjoin_from(owners, OWNER_TURN, (OWNER_TURN.c.provider == line[0]) & (OWNER_TURN.c.owner_id == line[1]))
        .subquery("lines_of_owners")
    ).c
    return _counted(each.provider, None, each.asked_id, each.section, each.length)


def _sections(key: Column, asked: Column, line: Sequence[Column], order: Sequence[Column]) -> Sequence[Column]:
    """Return the key of what is asked for, else null, and how many before each in its line are asked for."""
    # In a CASE, where Postgres makes a hash of it; it would join a few rows that it expects, and finds thousands.
    asked_id = sa.case((key.in_(sa.select(asked)), key), else_=None)
    up_to = sa.func.count(asked_id).over(partition_by=line, order_by=order, rows=(None, 0))
    return asked_id.label("asked_id"), (up_to - sa.case((asked_id.is_not(None), 1), else_=0)).label("section")


def _counted(provider: Column, owner_id: Column | None, *kind: Column) -> sa.Select[*tuple[Any, ...]]:
    """Return the SELECT of how many lines there are of each kind."""
    group = [provider, *kind] if owner_id is None else [provider, owner_id, *kind]
    named = sa.cast(sa.null(), JOB.c.owner_id.type) if owner_id is None else owner_id
    return sa.select(provider, named, *kind, sa.func.count()).group_by(*group)
