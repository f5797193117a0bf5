"""The Postgres connections of an API process are terminated while clients come and go: every task has an owner."""

import asyncio
import itertools
from contextlib import suppress
from pathlib import Path

from websockets.exceptions import ConnectionClosed

from models.domain.errors import Unavailable
from tests.support import jobs
from tests.support.client import Client
from tests.support.deployment import client_of, deployed
from tests.support.job_feed import VERSIONS
from tests.support.waiting import eventually

TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'scenewire ' || $1 OR application_name LIKE 'scenewire ' || $1 || ' %'
"""
WRITERS, FOLLOWERS = 4, 4


async def run(folder: Path, database_url: str, terminations: int) -> None:
    """Terminate the connections again and again under load, then stop the process."""
    async with deployed(folder, database_url) as deployment:
        api = await deployment.api()
        async with client_of(api) as client:
            made = await jobs.make(client, provider="external")
            load = [
                *(asyncio.create_task(write(client, made.id, number)) for number in range(WRITERS)),
                *(asyncio.create_task(follow(client, made.id)) for _ in range(FOLLOWERS)),
            ]
            for number in range(terminations):
                await eventually(lambda: changed(client, made.id, 3 * number))  # noqa: B023 # awaited within the turn
                # A busy machine may not connect in time.
                with suppress(Unavailable):
                    await deployment.rows(TERMINATE, str(api.pid))
            for task in load:
                task.cancel()
            await asyncio.wait(load)
        # This also checks the log.
        assert await asyncio.to_thread(api.stop) == 0


async def changed(client: Client, job_id: str, version: int) -> bool:
    """Whether the job has reached this version."""
    with suppress(AssertionError):
        return (await jobs.job(client, job_id, "version"))["version"] >= version
    return False


async def write(client: Client, job_id: str, writer: int) -> None:
    """Change the job repeatedly; cancel every other request before its answer."""
    for number in itertools.count(writer):
        change = asyncio.create_task(jobs.retitle(client, job_id, f"Day {number} of writer {writer}"))
        try:
            await asyncio.wait([change], timeout=None if number % 2 else 0.02 * (number % 10))
        finally:
            change.cancel()
            await asyncio.wait([change])
            if not change.cancelled():
                change.exception()


async def follow(client: Client, job_id: str) -> None:
    """Subscribe to the job again and again, for a few messages each."""
    while True:
        with suppress(ConnectionClosed, OSError, AssertionError):
            async with client.subscribe(VERSIONS, id=job_id) as stream:
                for _ in range(5):
                    await stream.next()
