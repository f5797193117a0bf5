"""One small fault scenario per database; `python -m tests.faults` runs all of them in full."""

from pathlib import Path

from tests.faults import postgres_outages, shutdown
from tests.support import jobs
from tests.support.os_processes import on_linux

pytestmark = on_linux


async def test_postgres_outage_loses_no_change_and_closes_no_socket(tmp_path: Path) -> None:
    """Requests are refused meanwhile, and everything works again without a restart."""
    await postgres_outages.run(tmp_path, postgres_outages.Size(outages=2, longest_seconds=1.0), jobs.seeded("outages"))


async def test_shutdown_under_load_loses_no_acknowledged_change(tmp_path: Path, database: None) -> None:
    """No answer is cut off, and every socket is closed with a code."""
    await shutdown.run(tmp_path, 1, jobs.seeded("shutdown"))
