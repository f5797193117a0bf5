"""The queries and mutations of webhooks."""

from collections.abc import Awaitable
from typing import cast

import strawberry

from coordinator.webhooks.commands import IssuedSecret
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
    """The part of Query about webhooks."""

    @strawberry.field(description="The caller's webhooks, oldest first; with jobId, those of that job only.")
    async def webhooks(self, info: Info, job_id: strawberry.ID | None = strawberry.UNSET) -> list[Webhook]:
        context = info.context
        async with context.snapshot.read() as connection:
            found = await webhook_queries.webhooks(connection, context.viewer, given(job_id))
        return cast("list[Webhook]", found)


@strawberry.type
class WebhookMutation:
    """The part of Mutation about webhooks."""

    @strawberry.mutation(description="Create a webhook; the payload holds its signing secret. An owner can have 20.")
    async def create_webhook(self, info: Info, input: CreateWebhookInput) -> WebhookPayload:
        context = info.context
        return await _with_secret(context, context.commands.webhooks.create(context.viewer, input.new_webhook()))

    @strawberry.mutation(
        description=(
            "Change a webhook. A new url, or active after it was inactive, clears disabledReason and makes pending "
            "deliveries due now."
        )
    )
    async def update_webhook(self, info: Info, input: UpdateWebhookInput) -> WebhookPayload:
        context = info.context
        errors = await attempt(context.commands.webhooks.update(context.viewer, input.webhook_id, input.edit()))
        if errors is not None:
            return WebhookPayload(webhook=None, secret=None, errors=errors)
        row = await context.loaders.webhook.load(input.webhook_id)
        return WebhookPayload(webhook=as_webhook(row), secret=None, errors=[])

    @strawberry.mutation(description="Replace the signing secret; for 24 hours the old secret signs too.")
    async def rotate_webhook_secret(self, info: Info, input: WebhookActionInput) -> WebhookPayload:
        context = info.context
        return await _with_secret(context, context.commands.webhooks.rotate(context.viewer, input.webhook_id))

    @strawberry.mutation(description="Delete a webhook and its deliveries.")
    async def delete_webhook(self, info: Info, input: WebhookActionInput) -> DeleteWebhookPayload:
        context = info.context
        errors = await attempt(context.commands.webhooks.delete(context.viewer, input.webhook_id))
        if errors is not None:
            return DeleteWebhookPayload(deleted_webhook_id=None, errors=errors)
        return DeleteWebhookPayload(deleted_webhook_id=input.webhook_id, errors=[])

    @strawberry.mutation(
        description=(
            "Send a sample event now, also to an inactive webhook. It is attempted once and does not affect the state "
            "of the webhook; query the delivery by node(id) for the result."
        )
    )
    async def test_webhook(self, info: Info, input: WebhookActionInput) -> WebhookDeliveryPayload:
        context = info.context
        return await _delivery(context, context.commands.webhooks.test(context.viewer, input.webhook_id))

    @strawberry.mutation(
        description="Send a delivery again now, with the same id and body; retries continue for another day."
    )
    async def redeliver_webhook(self, info: Info, delivery_id: strawberry.ID) -> WebhookDeliveryPayload:
        context = info.context
        return await _delivery(context, context.commands.webhooks.redeliver(context.viewer, delivery_id), delivery_id)


async def _with_secret(context: Context, command: Awaitable[IssuedSecret]) -> WebhookPayload:
    outcome = await attempt(command)
    if isinstance(outcome, list):
        return WebhookPayload(webhook=None, secret=None, errors=outcome)
    row = await context.loaders.webhook.load(outcome.webhook_id)
    return WebhookPayload(webhook=as_webhook(row), secret=outcome.secret, errors=[])


async def _delivery(context: Context, command: Awaitable[str | None], delivery_id: str = "") -> WebhookDeliveryPayload:
    outcome = await attempt(command)
    if isinstance(outcome, list):
        return WebhookDeliveryPayload(delivery=None, errors=outcome)
    row = await context.loaders.delivery.load(outcome or delivery_id)
    return WebhookDeliveryPayload(delivery=cast("WebhookDelivery | None", row), errors=[])
