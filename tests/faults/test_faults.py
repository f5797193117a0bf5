"""The fault scenarios, small; `make test` runs one per database, `python -m tests.faults` all of them in full."""

from pathlib import Path

import pytest

from tests.faults import lost_notifications, lost_workers, postgres_outages, shutdown, sqlite_faults
from tests.support import jobs
from tests.support.os_processes import on_linux
from tests.support.postgres import Databases

pytestmark = on_linux


@pytest.mark.chaos
async def test_killed_and_frozen_workers_record_every_take_once(tmp_path: Path, postgres: Databases) -> None:
    """Other workers take their renders over, and each result is accepted once although it is sent twice."""
    size = lost_workers.Size(scenes=16, workers=2, kills=1, freezes=1, lease_seconds=2.0, render_seconds=3.0)
    with postgres.fresh() as url:
        await lost_workers.run(tmp_path, url, size, jobs.seeded("workers"))


@pytest.mark.chaos
async def test_lost_notifications_reach_subscribers_of_other_processes(tmp_path: Path, postgres: Databases) -> None:
    """In order and without a gap, while the LISTEN connections are closed."""
    size = lost_notifications.Size(changes=30, closes=3, freezes=0)
    with postgres.fresh() as url:
        await lost_notifications.run(tmp_path, url, size, jobs.seeded("notifications"))


async def test_postgres_outage_loses_no_change_and_closes_no_socket(tmp_path: Path) -> None:
    """Requests are refused meanwhile, and everything works again without a restart."""
    await postgres_outages.run(tmp_path, postgres_outages.Size(outages=2, longest_seconds=1.0), jobs.seeded("outages"))


async def test_shutdown_under_load_loses_no_acknowledged_change(tmp_path: Path, database: None) -> None:
    """No answer is cut off, and every socket is closed with a code."""
    await shutdown.run(tmp_path, 1, jobs.seeded("shutdown"))


@pytest.mark.chaos
async def test_locked_database_delays_changes_and_nothing_else(tmp_path: Path) -> None:
    """While another process holds the write lock of SQLite."""
    await sqlite_faults.locked(tmp_path, 3.0)


@pytest.mark.chaos
async def test_full_disk_refuses_changes_with_storage(tmp_path: Path) -> None:
    """Reads work meanwhile, and everything works when there is room again."""
    await sqlite_faults.full(tmp_path)


@pytest.mark.chaos
async def test_file_size_limit_refuses_changes_with_storage(tmp_path: Path) -> None:
    """The same with a quota in place of a full disk; needs no mount."""
    await sqlite_faults.full(tmp_path, mounts=False)
