"""A roll-out: the last release and this one work side by side on one Postgres.

The last release is a process of its own; servers of this one, which are imported already, run in the test.
"""

import asyncio
from pathlib import Path
from typing import Any

from models import migrations
from tests.support import jobs, previous_release
from tests.support.client import Client
from tests.support.command_line import Ran, invoke
from tests.support.deployment import Deployment, client_of, deployed
from tests.support.job_feed import FEED
from tests.support.os_processes import on_linux
from tests.support.postgres import Databases
from tests.support.recorded_takes import check_record, record_of
from tests.support.server_app import running
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually

# No takeover waits for the end of a lease: servers that stop hand their renders over.
SETTINGS: dict[str, Any] = {"lease_seconds": 3_600, "render_concurrency": 6}
# The program of the last release: one process, because each start takes seconds.
MIGRATE_AND_SERVE = """
from server.cli import app
from tests.support.database_timeouts import long_timeouts

with long_timeouts():
    app(["migrate"], standalone_mode=False)
    app(["serve"])
"""


@on_linux
async def test_last_release_works_beside_this_one(tmp_path: Path, postgres: Databases) -> None:
    """Migrate, add new servers, take them away again, add them again, stop the old one: no job notices."""
    release = previous_release.unpacked(tmp_path / "release")
    (release / "migrate_and_serve.py").write_text(MIGRATE_AND_SERVE)
    with postgres.blank() as url:
        async with deployed(tmp_path, url, **SETTINGS) as deployment:
            old = await deployment.start(server_of(release, deployment))
            async with client_of(old) as client:
                held = await jobs.make(client, *held_scenes(), start=True)
                await eventually(lambda: is_rendered(deployment, held.id))
                (name,) = await renderers(deployment, held.id)
                migrated = await asyncio.to_thread(invoke, "migrate", database_url=url)
                assert migrated == Ran(0, f"Migrated to revision {migrations.newest()}.\n", "")
                made = await work_beside(deployment, url, name, client)
            async with running(tmp_path, database_url=url, **SETTINGS):
                # What the old server rendered is handed over to the new one.
                assert await asyncio.to_thread(old.stop) == 0
                await eventually(lambda: is_rendered(deployment, held.id))
                assert name not in await renderers(deployment, held.id)
            for job in made:
                log, scenes, takes = await record_of(deployment.store, job.id)
                check_record(log, scenes, takes)
                assert "JOB_SETTLED" in {event.type for event in log}


async def work_beside(deployment: Deployment, url: str, old: str, client: Client) -> list[jobs.Made]:
    """Create jobs on either side, follow them on the other, and roll back; return the jobs.

    `old` is the name of the old server as a worker.
    """
    async with running(deployment.folder, renders=False, database_url=url, **SETTINGS) as new:
        # Nothing but the old server renders.
        made = [await follow_on(new, client), await follow_on(client, new)]
        async with running(deployment.folder, database_url=url, **SETTINGS):
            made += await asyncio.gather(follow_on(new, client), follow_on(client, new))
            held = await jobs.make(new, *held_scenes(), start=True)
            await eventually(lambda: is_rendered(deployment, held.id))
    # Rolled back: the old server renders what it has not rendered before.
    await eventually(lambda: is_rendered(deployment, held.id))
    assert await renderers(deployment, held.id) == {old}
    made.append(await follow_on(client, client))
    await jobs.change(client, "cancelJob", jobId=held.id)
    return [*made, held]


async def follow_on(creator: Client, follower: Client) -> jobs.Made:
    """Create a job on one server and follow it on another until it is settled: no version may be missing."""
    made = await jobs.make(creator, jobs.scene(steps=3, failTakes=1))
    async with follower.subscribe(FEED, jobId=made.id, after=made.version, untilSettled=True) as stream:
        await jobs.change(creator, "startJob", jobId=made.id)
        messages = [message["jobEvents"] for message in await stream.rest()]
    events = [message for message in messages if message["kind"] == "JobEvent"]
    assert [event["version"] for event in events] == list(range(made.version + 1, made.version + 1 + len(events)))
    assert events[-1]["now"]["status"] == "COMPLETED"
    assert (await jobs.job(creator, made.id, "status"))["status"] == "COMPLETED"
    return made


def held_scenes() -> list[dict[str, object]]:
    """Return scenes whose renders do not end."""
    return [jobs.scene(outcome="stall", steps=1) for _ in range(2)]


async def is_rendered(deployment: Deployment, job_id: str) -> bool:
    """Whether all scenes of the job are rendered by a process that has not handed them over."""
    # Each look takes time from the processes that are waited for.
    await asyncio.sleep(0.2)
    return len(await leases(deployment, job_id)) == len(held_scenes())


async def renderers(deployment: Deployment, job_id: str) -> set[str]:
    """Return the names of the processes that render the scenes of a job."""
    return set(await leases(deployment, job_id))


async def leases(deployment: Deployment, job_id: str) -> list[str]:
    """Return the process that renders each scene of a job."""
    leased = "SELECT leased_by FROM scene WHERE job_id = $1 AND status = 'PROCESSING' AND lease_expires_at IS NOT NULL"
    return [str(name) for (name,) in await deployment.rows(leased, job_id)]


def server_of(release: Path, deployment: Deployment) -> ServerProcess:
    """Return a server of the last release, which makes its tables and renders."""
    return ServerProcess(deployment.folder, name="old", module="migrate_and_serve", root=release, **deployment.settings)
