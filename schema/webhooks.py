"""Webhook, its deliveries and their attempts.

Values are rows of `models.db.rows`: columns are read as attributes, relations through the loaders.
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
from schema.scalars import INT_MAX


@strawberry.type(description="One attempt to deliver an event.")
class WebhookAttempt:
    """Stored in the row of its delivery."""

    at: datetime
    response_status: int | None = strawberry.field(description="HTTP status; null when there was no response.")
    duration_ms: int
    error: str | None = strawberry.field(
        description=(
            "Null when the endpoint answered with 2xx, else one of STATUS, REDIRECT (not followed), TIMEOUT, "
            "NOT_RESOLVED, NOT_ALLOWED (the host name resolves to a private address), NOT_CONNECTED, TLS, BROKEN_OFF "
            "(the connection closed during the response), NOT_SIGNED (the secret cannot be decrypted) and INTERNAL (an "
            "error of this server)."
        )
    )


@strawberry.type(
    description=(
        "The delivery of one event to a webhook. Its id is the header webhook-id of every attempt. Events of one job "
        "are delivered in order: each waits until the one before is SUCCEEDED or EXHAUSTED. Kept for 30 days."
    )
)
class WebhookDelivery(Node):
    """Read from `DeliveryRow`."""

    event_type: EventType
    job_id: strawberry.ID
    version: int = strawberry.field(description="Version of the event; 0 for a sample event of testWebhook.")
    status: DeliveryStatus
    next_attempt_at: datetime | None = strawberry.field(
        description="When the next attempt is due; null when there is none."
    )
    created_at: datetime

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, DeliveryRow)

    @strawberry.field(description="The newest 50 attempts, oldest first.")
    @staticmethod
    def attempts(root: strawberry.Parent[DeliveryRow]) -> list[WebhookAttempt]:
        return [
            WebhookAttempt(
                at=datetime.fromisoformat(each["at"]),
                response_status=each["response_status"],
                duration_ms=min(each["duration_ms"], INT_MAX),
                error=each["error"],
            )
            for each in root.attempts
        ]


@strawberry.type(
    description="A URL to which events are delivered, signed as specified at https://www.standardwebhooks.com."
)
class Webhook(Node):
    """Read from `WebhookRow`."""

    url: str
    job_id: strawberry.ID | None = strawberry.field(
        description="The job whose events are delivered; null for all jobs of the owner."
    )
    active: bool
    disabled_reason: str | None = strawberry.field(
        description=(
            "Set when the server made the webhook inactive: no delivery succeeded for a day, or the endpoint answered "
            "410. updateWebhook with active clears it."
        )
    )
    created_at: datetime

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, WebhookRow)

    @strawberry.field(description="The event types that are delivered.")
    @staticmethod
    def events(root: strawberry.Parent[WebhookRow]) -> list[EventType]:
        return [EventType(kind) for kind in root.events]

    @strawberry.field(description="The deliveries, newest first.")
    @staticmethod
    async def deliveries(
        root: strawberry.Parent[WebhookRow],
        info: Info,
        first: int = 20,
        status: DeliveryStatus | None = strawberry.UNSET,
    ) -> list[WebhookDelivery]:
        paging.window(first=first, after=None, last=None, before=None)
        query = DeliveryQuery(first, given(status))
        return cast("list[WebhookDelivery]", await info.context.loaders.deliveries.load((root.id, query)))


@strawberry.type(description="The webhook, or the errors.")
class WebhookPayload:
    """The payload of createWebhook, updateWebhook and rotateWebhookSecret."""

    webhook: Webhook | None
    secret: str | None = strawberry.field(
        description="The signing secret; returned only by createWebhook and rotateWebhookSecret."
    )
    errors: list[UserError]


@strawberry.type(description="The id of the deleted webhook, or the errors.")
class DeleteWebhookPayload:
    """The payload of deleteWebhook."""

    deleted_webhook_id: strawberry.ID | None
    errors: list[UserError]


@strawberry.type(description="The delivery, or the errors.")
class WebhookDeliveryPayload:
    """The payload of testWebhook and redeliverWebhook."""

    delivery: WebhookDelivery | None
    errors: list[UserError]


def as_webhook(row: WebhookRow | None) -> Webhook | None:
    """Return a row as the type that it stands in for; it is not copied."""
    return cast("Webhook | None", row)
