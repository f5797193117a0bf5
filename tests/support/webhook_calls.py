"""Webhooks as their owners make them and look at them."""

from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from coordinator.bus.port import DeliveriesDue
from models.db.tables import WEBHOOK, WEBHOOK_DELIVERY
from tests.support.client import Client, Json
from tests.support.server_app import App
from tests.support.waiting import eventually
from tests.support.webhook_receiver import Received

ERRORS = "errors { __typename code message path ... on NotFoundError { id } }"
ATTEMPT = "at responseStatus durationMs error"
DELIVERY = f"id eventType jobId version status attempts {{ {ATTEMPT} }} nextAttemptAt createdAt"
WEBHOOK_FIELDS = "id url events jobId active disabledReason createdAt"
REDELIVER = f"mutation($id: ID!) {{ redeliverWebhook(deliveryId: $id) {{ delivery {{ {DELIVERY} }} {ERRORS} }} }}"
# What a job with one scene goes through when its worker reports its start and its end.
LIFE = ["JOB_CREATED", "JOB_STARTED", "SCENE_STARTED", "SCENE_COMPLETED", "JOB_SETTLED"]


class Hook(NamedTuple):
    """The id and secret of a created webhook."""

    id: str
    secret: str


async def hook(client: Client, url: str, *events: str, **fields: Any) -> Hook:
    """Create a webhook that must be accepted; for every event type unless some are given."""
    event_types = list(events) or LIFE
    payload = await client.mutate(
        "createWebhook", f"webhook {{ id }} secret {ERRORS}", url=url, events=event_types, **fields
    )
    assert payload["errors"] == []
    return Hook(payload["webhook"]["id"], payload["secret"])


async def webhook(client: Client, webhook_id: str, selection: str = WEBHOOK_FIELDS) -> Json:
    """Fields of a webhook that must be there."""
    document = f"query($id: ID!) {{ node(id: $id) {{ ... on Webhook {{ {selection} }} }} }}"
    found = (await client.execute(document, id=webhook_id))["node"]
    assert found is not None
    return found


async def deliveries(client: Client, webhook_id: str, arguments: str = "first: 80") -> list[Json]:
    """The deliveries of a webhook, newest first."""
    return (await webhook(client, webhook_id, f"deliveries({arguments}) {{ {DELIVERY} }}"))["deliveries"]


async def delivery(client: Client, delivery_id: str) -> Json:
    """A delivery that must be there."""
    document = f"query($id: ID!) {{ node(id: $id) {{ ... on WebhookDelivery {{ {DELIVERY} }} }} }}"
    found = (await client.execute(document, id=delivery_id))["node"]
    assert found is not None
    return found


async def until_delivery(client: Client, delivery_id: str, *statuses: str, tries: int = 0) -> Json:
    """Wait until a delivery has one of these statuses, and so many tries behind it; answers it."""
    found: list[Json] = []

    async def there() -> bool:
        found.append(await delivery(client, delivery_id))
        return found[-1]["status"] in statuses and len(found[-1]["attempts"]) >= tries

    await eventually(there)
    return found[-1]


async def until_over(client: Client, webhook_id: str) -> list[Json]:
    """Wait until no delivery is pending. Return all deliveries, newest first."""
    found: list[list[Json]] = []

    async def over() -> bool:
        found.append(await deliveries(client, webhook_id))
        return {each["status"] for each in found[-1]} <= {"SUCCEEDED", "EXHAUSTED"}

    await eventually(over)
    return found[-1]


async def mutate(client: Client, name: str, webhook_id: str, selection: str, **fields: Any) -> Json:
    """Do something to a webhook that must be accepted; answers the payload."""
    payload = await client.mutate(name, f"{selection} {ERRORS}", webhookId=webhook_id, **fields)
    assert payload.pop("errors") == []
    return payload


async def redeliver(client: Client, delivery_id: str) -> Json:
    """Have a delivery made again; answers the payload."""
    return (await client.execute(REDELIVER, id=delivery_id))["redeliverWebhook"]


async def a_day_passes(app: App) -> None:
    """Date the first failures a day back; make attempts due that are scheduled and not in flight."""
    day = timedelta(hours=24, minutes=1)
    for table in (WEBHOOK, WEBHOOK_DELIVERY):
        async with app.container.store.read() as connection:
            query = sa.select(table.c.id, table.c.failing_since).where(table.c.failing_since.is_not(None))
            failing = (await connection.execute(query)).all()
        async with app.container.store.write() as connection:
            for each_id, since in failing:
                values: Json = {"failing_since": since - day}
                if table is WEBHOOK_DELIVERY:
                    values["next_attempt_at"] = since
                await connection.execute(sa.update(table).where(table.c.id == each_id).values(values))
    app.container.bus.publish(DeliveriesDue())


def types(received: list[Received]) -> list[str]:
    """Return the event types of the received requests, in order."""
    return [each.payload["type"] for each in received]
