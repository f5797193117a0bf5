"""Webhook deliveries in a deployment of API processes and workers."""

from pathlib import Path

from tests.support.deployment import client_of, deployed
from tests.support.factories import a_job, report
from tests.support.postgres import Databases
from tests.support.webhook_calls import LIFE, hook, until_over
from tests.support.webhook_receiver import receiving


async def test_workers_share_webhook_deliveries_of_api_processes(tmp_path: Path, postgres: Databases) -> None:
    """Each event once although two workers deliver, and each job's events in order."""
    secret_key = "0123456789abcdef" * 2
    with postgres.fresh() as url:
        async with (
            deployed(tmp_path, url, secret_key=secret_key) as deployment,
            receiving() as receiver,
            client_of(await deployment.api()) as client,
        ):
            made = await hook(client, receiver.url, *LIFE)
            created = [await a_job(client, "A kite") for _ in range(8)]
            for job in created:
                await report(client, job.scenes[0], "PROCESSING", "COMPLETED")
            assert receiver.connections == 0
            await deployment.workers(2)
            received = await receiver.count(8 * len(LIFE))
            await until_over(client, made.id)
            # Workers are notified of the commits of other processes.
            await a_job(client, "Another")
            await receiver.count(8 * len(LIFE) + 1)
    assert len(received) == len({each.id for each in received}) == 8 * len(LIFE)
    for job in created:
        assert [each.place for each in received if each.data["job_id"] == job.id] == [
            (job.id, version) for version in range(1, 6)
        ]
