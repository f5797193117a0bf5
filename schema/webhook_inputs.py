"""The inputs of webhooks, and how each reads in the words of the domain."""

from typing import cast

import strawberry

from coordinator.webhooks.commands import NewWebhook, WebhookEdit
from schema.enums import EventType
from schema.inputs import given


@strawberry.input
class CreateWebhookInput:
    """A webhook to be made."""

    url: str = strawberry.field(
        description="https, on the public internet; a server on a laptop also accepts http and its own addresses."
    )
    events: list[EventType] = strawberry.field(description="At least one.")
    job_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Only this job's events; every job of yours when left out."
    )

    def new_webhook(self) -> NewWebhook:
        """In the words of the domain."""
        return NewWebhook(self.url, self.events, given(self.job_id))


@strawberry.input(description="Leave a field out to keep it.")
class UpdateWebhookInput:
    """Changes to a webhook."""

    webhook_id: strawberry.ID
    url: str | None = strawberry.UNSET
    events: list[EventType] | None = strawberry.UNSET
    active: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "Events that happen while it is switched off are not told. What waited when it was switched off is sent "
            "once it is on again, unless that is more than 30 days old."
        ),
    )

    def edit(self) -> WebhookEdit:
        """What was given, null included."""
        fields = {name: getattr(self, name) for name in ("url", "events", "active")}
        given_fields = {name: value for name, value in fields.items() if value is not strawberry.UNSET}
        return cast("WebhookEdit", given_fields)


@strawberry.input
class WebhookActionInput:
    """A webhook to do something to."""

    webhook_id: strawberry.ID
