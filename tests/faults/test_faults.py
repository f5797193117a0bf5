"""The harm that a deployment must survive, in small; `python -m tests.faults` does it in full."""

from pathlib import Path

import pytest

from tests.faults import embedded, listening, outages, stopping, workers
from tests.support import jobs
from tests.support.os_processes import on_linux
from tests.support.postgres import Databases

pytestmark = on_linux


@pytest.mark.chaos
async def test_workers_that_are_killed_and_frozen(tmp_path: Path, postgres: Databases) -> None:
    """Every take is recorded once, by whoever holds it, although each result is delivered twice."""
    size = workers.Size(scenes=16, workers=2, kills=1, freezes=1, lease_seconds=2.0, render_seconds=3.0)
    with postgres.fresh() as url:
        await workers.run(tmp_path, url, size, jobs.seeded("workers"))


@pytest.mark.chaos
async def test_listening_connections_that_are_cut(tmp_path: Path, postgres: Databases) -> None:
    """A subscriber of one process sees every change made through another, in order and soon."""
    with postgres.fresh() as url:
        await listening.run(tmp_path, url, listening.Size(changes=30, cuts=3, silences=0), jobs.seeded("listening"))


async def test_a_postgres_that_dies_stops_and_hangs(tmp_path: Path) -> None:
    """Nobody waits long, no socket is closed, nothing has to be restarted."""
    await outages.run(tmp_path, outages.Size(outages=4, longest_seconds=1.0), jobs.seeded("outages"))


async def test_a_server_that_is_told_to_stop(tmp_path: Path, database: None) -> None:
    """Nothing that was acknowledged is lost, nobody gets half an answer, and everybody is told."""
    await stopping.run(tmp_path, 1, jobs.seeded("stopping"))


@pytest.mark.chaos
async def test_a_lock_that_another_process_holds(tmp_path: Path) -> None:
    """Changes wait for it, and nothing else does."""
    await embedded.locked(tmp_path, 3.0)


@pytest.mark.chaos
async def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """What cannot be stored is refused as such; reads go on, and later so does everything."""
    await embedded.full(tmp_path)


@pytest.mark.chaos
async def test_a_process_that_may_write_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where no disk can be mounted, and where a quota is in the way."""
    monkeypatch.setattr(embedded, "MOUNT", ["false"])
    await embedded.full(tmp_path)
