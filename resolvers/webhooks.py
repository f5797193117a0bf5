"""The verbs of webhooks: what can be read of them, and what can be done."""

from collections.abc import Awaitable
from typing import cast

import strawberry

from coordinator.webhooks.commands import Shown
from models.reads import webhook_queries
from resolvers.answers import attempt
from schema.context import Context, Info
from schema.inputs import given
from schema.webhook_inputs import CreateWebhookInput, UpdateWebhookInput, WebhookActionInput
from schema.webhooks import (
    DeleteWebhookPayload,
    Webhook,
    WebhookDelivery,
    WebhookDeliveryPayload,
    WebhookPayload,
    as_webhook,
)


@strawberry.type
class WebhookQuery:
    """What can be read of webhooks."""

    @strawberry.field(description="Yours, oldest first; with jobId those of that job alone.")
    async def webhooks(self, info: Info, job_id: strawberry.ID | None = strawberry.UNSET) -> list[Webhook]:
        """All of them: an owner has no more than 20."""
        context = info.context
        async with context.store.read() as connection:
            found = await webhook_queries.webhooks(connection, context.viewer, given(job_id))
        return cast("list[Webhook]", found)


@strawberry.type
class WebhookMutation:
    """What can be done to a webhook."""

    @strawberry.mutation(description="At most 20 for each owner.")
    async def create_webhook(self, info: Info, input: CreateWebhookInput) -> WebhookPayload:
        """Make a webhook."""
        context = info.context
        return await _shown(context, context.coordinator.webhooks.create(context.viewer, input.new_webhook()))

    @strawberry.mutation(
        description="A new address or a switch to active clears disabledReason and sends at once what waits."
    )
    async def update_webhook(self, info: Info, input: UpdateWebhookInput) -> WebhookPayload:
        """Change a webhook."""
        context = info.context
        done = await attempt(context.coordinator.webhooks.update(context.viewer, input.webhook_id, input.edit()))
        if done is not None:
            return WebhookPayload(webhook=None, secret=None, errors=done)
        row = await context.loaders.webhook.load(input.webhook_id)
        return WebhookPayload(webhook=as_webhook(row), secret=None, errors=[])

    @strawberry.mutation(description="For 24 hours the secret before signs beside the new one.")
    async def rotate_webhook_secret(self, info: Info, input: WebhookActionInput) -> WebhookPayload:
        """Give it a new secret."""
        context = info.context
        return await _shown(context, context.coordinator.webhooks.rotate(context.viewer, input.webhook_id))

    @strawberry.mutation(description="Its deliveries go with it.")
    async def delete_webhook(self, info: Info, input: WebhookActionInput) -> DeleteWebhookPayload:
        """Delete a webhook."""
        context = info.context
        done = await attempt(context.coordinator.webhooks.delete(context.viewer, input.webhook_id))
        if done is not None:
            return DeleteWebhookPayload(deleted_webhook_id=None, errors=done)
        return DeleteWebhookPayload(deleted_webhook_id=input.webhook_id, errors=[])

    @strawberry.mutation(
        description=(
            "Sends a sample event now, also to a webhook that is switched off. It is tried once and says nothing about "
            "the webhook; read its delivery again, by node(id), for what came of it."
        )
    )
    async def test_webhook(self, info: Info, input: WebhookActionInput) -> WebhookDeliveryPayload:
        """Send a sample."""
        context = info.context
        return await _delivery(context, context.coordinator.webhooks.test(context.viewer, input.webhook_id))

    @strawberry.mutation(description="Sends it again, now: the same id, the same body, and a whole day of tries.")
    async def redeliver_webhook(self, info: Info, delivery_id: strawberry.ID) -> WebhookDeliveryPayload:
        """Make a delivery due again."""
        context = info.context
        return await _delivery(
            context, context.coordinator.webhooks.redeliver(context.viewer, delivery_id), delivery_id
        )


async def _shown(context: Context, act: Awaitable[Shown]) -> WebhookPayload:
    done = await attempt(act)
    if isinstance(done, list):
        return WebhookPayload(webhook=None, secret=None, errors=done)
    row = await context.loaders.webhook.load(done.webhook_id)
    return WebhookPayload(webhook=as_webhook(row), secret=done.secret, errors=[])


async def _delivery(context: Context, act: Awaitable[str | None], delivery_id: str = "") -> WebhookDeliveryPayload:
    done = await attempt(act)
    if isinstance(done, list):
        return WebhookDeliveryPayload(delivery=None, errors=done)
    row = await context.loaders.delivery.load(done or delivery_id)
    return WebhookDeliveryPayload(delivery=cast("WebhookDelivery | None", row), errors=[])
