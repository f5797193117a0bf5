"""Webhooks of a server that is killed: every committed event is delivered after the restart."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support import jobs
from tests.support.client import Client
from tests.support.database_choice import database_choice
from tests.support.server_process import ServerProcess
from tests.support.webhook_calls import hook, until_over, webhook
from tests.support.webhook_receiver import hang, receiving, status


async def test_kill_of_the_server_loses_no_webhook_delivery(tmp_path: Path) -> None:
    """Neither attempts in flight nor pending deliveries; in order per job, and repeated attempts are unchanged."""
    server = ServerProcess(tmp_path, provider="external", secret_key="0123456789abcdef" * 2)
    await asyncio.to_thread(server.start)
    client = Client(server.url)
    try:
        async with receiving() as receiver:
            receiver.answer = hang
            made = await hook(client, receiver.url, "JOB_CREATED", "JOB_UPDATED")
            created = [await jobs.make(client, title=f"Job {number}") for number in range(3)]
            await receiver.count(3)
            for job in created:
                for number in range(5):
                    await jobs.retitle(client, job.id, f"Title {number}")
            server.kill()
            extend_leases(tmp_path)
            attempted, receiver.received = receiver.received, []
            receiver.answer = status(204)
            await asyncio.to_thread(server.start)
            received = await receiver.count(18)
            deliveries = await until_over(client, made.id)
        assert {each["status"] for each in deliveries} == {"SUCCEEDED"}
        assert len(received) == 18
        for job in created:
            assert [each.place for each in received if each.data["job_id"] == job.id] == [
                (job.id, version) for version in range(1, 7)
            ]
        for each in attempted:
            (again,) = [one for one in received if one.id == each.id]
            assert again.body == each.body
            assert again.verified(made.secret) == each.verified(made.secret)
        assert (await webhook(client, made.id))["active"]
        assert made.secret.removeprefix("whsec_") not in server.log.read_text()
        assert receiver.url not in server.log.read_text()
    finally:
        await client.close()
        server.kill()


def extend_leases(folder: Path) -> None:
    """Make the leases of the killed process last: the next start must release them, not wait for their end."""
    with closing(sqlite3.connect(folder / database_choice.FILE)) as connection, connection:
        held = "lease_expires_at IS NOT NULL"
        later = "datetime('now', '+1 hour')"
        updated = connection.execute(f"UPDATE webhookdelivery SET lease_expires_at = {later} WHERE {held}")  # noqa: S608 # constants
        assert updated.rowcount == 3
