"""Leased workers of a deployment: they ask one API process for the work that comes by another."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from tests.support.leasing import a_leased_job, claim
from tests.support.postgres import Databases
from tests.support.server_app import App, running
from tests.support.waiting import eventually


async def _waits(app: App, worker: str) -> bool:
    found = await app.execute("{ workers { name } }")
    return worker in [each["name"] for each in found["workers"]]


async def test_a_job_of_one_process_ends_the_long_poll_at_another(tmp_path: Path, postgres: Databases) -> None:
    """One request is answered with the take: without a hint it would look once, and answer with nothing in the end."""
    with postgres.fresh() as url:
        async with AsyncExitStack() as stack:
            first, second = [
                await stack.enter_async_context(
                    running(tmp_path, database_url=url, renders=False, provider="leased", db_pool=4)
                )
                for _ in range(2)
            ]
            # It has looked once, so that a request like it does not look before there is news.
            assert (await claim(second, "before"))["leases"] == []
            polling = asyncio.create_task(claim(second, "polling", waitSeconds=30))
            await eventually(lambda: _waits(first, "polling"))
            made = await a_leased_job(first)
            (lease,) = (await polling)["leases"]
            assert lease["scene"]["id"] == made.scenes[0]
