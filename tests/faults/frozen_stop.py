"""A server and a worker get SIGTERM just after Postgres froze: both end, and log what they gave up."""

import asyncio
import re
import signal
from pathlib import Path

from tests.support import jobs
from tests.support.deployment import Deployment, client_of, deployed
from tests.support.postgres import Databases, Postgres
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually

SCENES = 2
# A log of a stop has a line per part, and no traceback.
LINE = re.compile(r"\d{4}-\d\d-\d\dT\S+ (INFO|WARNING) ")


async def run(folder: Path) -> None:
    """Freeze Postgres during renders and stop both processes; after it resumes, others complete the renders."""
    postgres = Postgres()
    try:
        url = Databases(postgres.start().url).create()
        settings = {"lease_seconds": 2, "render_concurrency": SCENES}
        async with deployed(folder, url, **settings) as deployment:
            server, worker = await asyncio.gather(
                deployment.start(ServerProcess(folder, "serve", name="server", **deployment.settings)),
                deployment.worker(),
            )
            async with client_of(server) as client:
                scenes = [jobs.scene(steps=10, stepSeconds=0.4) for _ in range(2 * SCENES)]
                made = await jobs.make(client, *scenes, start=True)
                await eventually(lambda: all_render(deployment))
            postgres.freeze()
            statuses = await asyncio.gather(
                *(asyncio.to_thread(each.stop, signal.SIGTERM) for each in (server, worker))
            )
            assert statuses == [0, 0]
            for each in (server, worker):
                check_log(each)
            postgres.thaw()
            await deployment.again(server)
            async with client_of(server) as client:
                assert await jobs.settled(client, made.id) == "COMPLETED"
    finally:
        postgres.remove()


async def all_render(deployment: Deployment) -> bool:
    """Whether all scenes of both processes make progress."""
    return len(await deployment.rows("SELECT id FROM scene WHERE percentage > 0")) == 2 * SCENES


def check_log(process: ServerProcess) -> None:
    """The log has one line per event, names what was given up, and does not start dispatch again."""
    lines = process.log.read_text().splitlines()
    assert all(LINE.match(line) for line in lines), process.log.read_text()
    assert any("render.not_released" in line or "stop.gave_up" in line for line in lines)
    assert not any("dispatch.restart" in line or "dispatch.unavailable" in line for line in lines)
