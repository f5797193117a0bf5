"""Small fault scenarios; `make chaos` runs all of them in full."""

from pathlib import Path

import pytest

from tests.faults import frozen_stop, lost_leases, orphaned_tasks, postgres_outages, shutdown
from tests.support import jobs
from tests.support.os_processes import on_linux
from tests.support.postgres import Databases

pytestmark = on_linux


async def test_postgres_outage_loses_no_change_and_closes_no_socket(tmp_path: Path) -> None:
    """Requests are refused meanwhile, and everything works again without a restart."""
    await postgres_outages.run(tmp_path, postgres_outages.Size(outages=2, longest_seconds=1.0), jobs.seeded("outages"))


@pytest.mark.thorough
async def test_stop_ends_while_postgres_is_frozen(tmp_path: Path) -> None:
    """A server and a worker log a line for each part that was given up; dispatch does not start again."""
    await frozen_stop.run(tmp_path)


async def test_terminated_connections_leave_no_task_without_an_owner(tmp_path: Path, postgres: Databases) -> None:
    """Clients write, read, subscribe and disconnect at any moment meanwhile."""
    with postgres.fresh() as url:
        await orphaned_tasks.run(tmp_path, url, terminations=15)


@pytest.mark.thorough
async def test_takes_of_lost_workers_are_recorded_once(tmp_path: Path) -> None:
    """One leased worker is killed, and one is frozen for longer than its lease."""
    size = lost_leases.Size(workers=3, kills=1, freezes=1)
    await lost_leases.run(tmp_path, lost_leases.file_url(tmp_path), size, jobs.seeded("leases"))


async def test_shutdown_under_load_loses_no_acknowledged_change(tmp_path: Path, database: None) -> None:
    """No answer is cut off, and every socket is closed with a code."""
    await shutdown.run(tmp_path, 1, jobs.seeded("shutdown"))
