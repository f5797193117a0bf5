"""The light rows of leased workers and of their leases."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from models.db.lease_tables import TAKE_LEASE, WORKER
from models.db.rows import Json, columns_by_name, select_columns


class WorkerRow(NamedTuple):
    """A leased worker as stored; fields as in `lease_tables.Worker`."""

    id: str
    owner_id: str
    name: str
    labels: Json
    models: list[str]
    serves_all: bool
    unhealthy_reason: str | None
    started_at: datetime
    last_seen_at: datetime


class LeaseRow(NamedTuple):
    """A lease as stored; fields as in `lease_tables.TakeLease`."""

    token_hash: str
    worker_id: str
    owner_id: str
    job_id: str
    scene_id: str
    take_id: str
    take_number: int
    run: int
    seconds: int
    claimed_at: datetime
    upload_id: str | None
    ended_at: datetime | None
    outcome: str | None
    delivery: Json | None
    traceparent: str | None = None


WORKER_SELECT = sa.select(*select_columns(WorkerRow._fields, columns_by_name(WORKER, WorkerRow._fields)))
LEASE_SELECT = sa.select(*select_columns(LeaseRow._fields, columns_by_name(TAKE_LEASE, LeaseRow._fields)))
