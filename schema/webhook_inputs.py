"""The inputs of webhook operations, and their conversion to the coordinator's inputs."""

from typing import cast

import strawberry

from coordinator.webhooks.commands import NewWebhook, WebhookEdit
from schema.enums import EventType
from schema.inputs import given


@strawberry.input(description="A new webhook.")
class CreateWebhookInput:
    """The input of createWebhook."""

    url: str = strawberry.field(
        description="An https URL on the public internet; a development server also accepts http and private addresses."
    )
    events: list[EventType] = strawberry.field(description="The event types to deliver; at least one.")
    job_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Deliver events of this job only; of all jobs of the caller when omitted."
    )

    def new_webhook(self) -> NewWebhook:
        """Convert to the coordinator's input."""
        return NewWebhook(self.url, self.events, given(self.job_id))


@strawberry.input(description="An omitted field keeps its value.")
class UpdateWebhookInput:
    """The input of updateWebhook."""

    webhook_id: strawberry.ID
    url: str | None = strawberry.UNSET
    events: list[EventType] | None = strawberry.UNSET
    active: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "Events that happen while the webhook is inactive are not delivered. Deliveries that were pending when it "
            "became inactive are sent after it is active again, unless they are older than 30 days."
        ),
    )

    def edit(self) -> WebhookEdit:
        """Return the given fields, null included."""
        fields = {name: getattr(self, name) for name in ("url", "events", "active")}
        given_fields = {name: value for name, value in fields.items() if value is not strawberry.UNSET}
        return cast("WebhookEdit", given_fields)


@strawberry.input(description="The webhook that a mutation acts on.")
class WebhookActionInput:
    """The input of rotateWebhookSecret, deleteWebhook and testWebhook."""

    webhook_id: strawberry.ID
