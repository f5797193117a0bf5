"""Webhooks: who is told of what, and what came of it.

Values are the light rows of `models.db.rows`, as those of jobs and scenes.
"""

from datetime import datetime
from typing import cast

import strawberry

from models.db.rows import DeliveryRow, WebhookRow
from models.domain import paging
from models.reads.webhook_queries import DeliveryQuery
from schema.context import Info
from schema.enums import DeliveryStatus, EventType
from schema.errors import UserError
from schema.inputs import given
from schema.nodes import Node


@strawberry.type(description="One try to tell a webhook of an event.")
class WebhookAttempt:
    """Kept in the delivery's row."""

    at: datetime
    response_status: int | None = strawberry.field(description="Null when there was no answer.")
    duration_ms: int
    error: str | None = strawberry.field(
        description=(
            "Null when it was accepted, else one of STATUS, REDIRECT (which is not followed), TIMEOUT, NOT_RESOLVED, "
            "NOT_ALLOWED (the name leads to an address that is not public), NOT_CONNECTED, TLS, BROKEN_OFF, "
            "NOT_SIGNED and INTERNAL (the server's own fault)."
        )
    )


@strawberry.type(
    description=(
        "An event to be told to a webhook. Its id is the header webhook-id of every try. Of one job, each waits until "
        "the one before has SUCCEEDED or is EXHAUSTED. Kept for 30 days."
    )
)
class WebhookDelivery(Node):
    """Read from `DeliveryRow`."""

    event_type: EventType
    job_id: strawberry.ID
    version: int = strawberry.field(description="The event's; 0 is a sample that testWebhook sent.")
    status: DeliveryStatus
    next_attempt_at: datetime | None = strawberry.field(description="Not before then; null when it is over.")
    created_at: datetime

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Rows stand in for the type."""
        return isinstance(value, DeliveryRow)

    @strawberry.field(description="Oldest first; of many, the newest 50.")
    @staticmethod
    def attempts(root: strawberry.Parent[DeliveryRow]) -> list[WebhookAttempt]:
        """Every try so far."""
        return [
            WebhookAttempt(
                at=datetime.fromisoformat(each["at"]),
                response_status=each["response_status"],
                duration_ms=each["duration_ms"],
                error=each["error"],
            )
            for each in root.attempts
        ]


@strawberry.type(description="An address that is told of events, by https://www.standardwebhooks.com.")
class Webhook(Node):
    """Read from `WebhookRow`."""

    url: str
    job_id: strawberry.ID | None = strawberry.field(
        description="Only this job's events; null for every job of the owner."
    )
    active: bool
    disabled_reason: str | None = strawberry.field(
        description=(
            "Set when the server switched it off: nothing was accepted for a day, or the address answered 410. "
            "updateWebhook switches it on again and clears this."
        )
    )
    created_at: datetime

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Rows stand in for the type."""
        return isinstance(value, WebhookRow)

    @strawberry.field
    @staticmethod
    def events(root: strawberry.Parent[WebhookRow]) -> list[EventType]:
        """What it is told of."""
        return [EventType(kind) for kind in root.events]

    @strawberry.field(description="Newest first.")
    @staticmethod
    async def deliveries(
        root: strawberry.Parent[WebhookRow],
        info: Info,
        first: int = 20,
        status: DeliveryStatus | None = strawberry.UNSET,
    ) -> list[WebhookDelivery]:
        """What it was told, or is to be."""
        paging.window(first=first, after=None, last=None, before=None)
        wanted = DeliveryQuery(first, given(status))
        return cast("list[WebhookDelivery]", await info.context.loaders.deliveries.load((root.id, wanted)))


@strawberry.type
class WebhookPayload:
    """A webhook, or why not."""

    webhook: Webhook | None
    secret: str | None = strawberry.field(description="Signing secret; given once, at creation and at rotation.")
    errors: list[UserError]


@strawberry.type
class DeleteWebhookPayload:
    """What was deleted, or why not."""

    deleted_webhook_id: strawberry.ID | None
    errors: list[UserError]


@strawberry.type
class WebhookDeliveryPayload:
    """A delivery, or why not."""

    delivery: WebhookDelivery | None
    errors: list[UserError]


def as_webhook(row: WebhookRow | None) -> Webhook | None:
    """A row stands in for the type: same names, no copy."""
    return cast("Webhook | None", row)
