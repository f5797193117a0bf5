"""The number of jobs of a list from the sums that triggers of the database keep: see revision 0007."""

from typing import Any, Literal

import sqlalchemy as sa

from models.db.statements import Kind, among, named, unplanned
from models.reads.shapes import Scope

# The owner '' stands for all owners.
EVERY_OWNER = ""

JOB_COUNT = sa.table(
    "jobcount",
    sa.column("owner_id", sa.Text()),
    sa.column("status", sa.Text()),
    sa.column("external", sa.Boolean()),
    sa.column("live", sa.Boolean()),
    sa.column("jobs", sa.BigInteger()),
)


def total(
    kind: Kind, scope: Scope, statuses: Literal["one", "many"] | None, *, owner: bool, live: bool
) -> sa.Select[Any]:
    """Select the number of jobs of a scope: with these statuses, of the parameter `owner`, only live ones."""
    conditions = [_within(kind, scope, owner=owner)]
    if live:
        conditions.append(JOB_COUNT.c.live)
    if statuses is not None:
        conditions.append(among(kind, JOB_COUNT.c.status, "statuses", one=statuses == "one", planned=False))
    jobs: sa.ColumnElement[int] = JOB_COUNT.c.jobs
    if scope is Scope.WORKER and not owner:
        # The external jobs of all owners hold its own as well, which are counted for themselves.
        twice = (JOB_COUNT.c.owner_id != EVERY_OWNER) & _reported()
        jobs = sa.case((twice, 0), else_=jobs)
    return sa.select(sa.cast(sa.func.coalesce(sa.func.sum(jobs), 0), sa.BigInteger())).where(*conditions)


def _within(kind: Kind, scope: Scope, *, owner: bool) -> sa.ColumnElement[bool]:
    """Return the condition that `shapes.within` says of jobs."""
    viewer, of = (unplanned(kind, named(name, sa.Text())) for name in ("viewer", "owner"))
    of_viewer = JOB_COUNT.c.owner_id == viewer
    if not owner:
        every = JOB_COUNT.c.owner_id == EVERY_OWNER
        return every if scope is Scope.ALL else of_viewer if scope is Scope.OWN else of_viewer | (every & _reported())
    # No job has the owner that stands for all of them.
    of_owner = (JOB_COUNT.c.owner_id == of) & (JOB_COUNT.c.owner_id != EVERY_OWNER)
    if scope is Scope.ALL:
        return of_owner
    return of_owner & (of_viewer if scope is Scope.OWN else of_viewer | _reported())


def _reported() -> sa.ColumnElement[bool]:
    """Return the condition that workers may see the jobs of all owners."""
    return JOB_COUNT.c.external & JOB_COUNT.c.live
