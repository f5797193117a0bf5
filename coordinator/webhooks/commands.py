"""Commands on webhooks: create, update, rotate the secret, delete, test, redeliver."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, TypedDict

import sqlalchemy as sa

from coordinator.bus.port import Bus, DeliveriesDue
from coordinator.webhooks import deliveries, samples, signing
from coordinator.webhooks.deliverer import DeliveryDeps
from coordinator.webhooks.http_client import DeliveryErrorKind, DeliveryFailed, HttpClient
from models.db import clock
from models.db.database import Connection
from models.db.rows import DeliveryRow, WebhookRow
from models.db.tables import WEBHOOK, WEBHOOK_DELIVERY
from models.domain import ids
from models.domain.access import Viewer, owns
from models.domain.errors import ErrorCode, Forbidden, Invalid, InvalidState, NotFound, no_such_job
from models.domain.events import DeliveryStatus, EventType
from models.domain.rules import URL_CHARACTERS, Problems
from models.reads import queries, webhook_queries
from models.writes.outbox import new_delivery_row
from models.writes.store import Store

WEBHOOKS_PER_OWNER = 20
# After a rotation the previous secret stays valid this long beside the new one.
ROTATION = timedelta(hours=24)

_PATH = ("input", "webhookId")


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """The fields of a new webhook; `job_id` None subscribes to every job of its owner."""

    url: str
    events: Sequence[EventType]
    job_id: str | None = None


class WebhookEdit(TypedDict, total=False):
    """The fields of a webhook to change; absent ones stay as they are."""

    url: str | None
    events: Sequence[EventType] | None
    active: bool | None


class IssuedSecret(NamedTuple):
    """A webhook id and its new signing secret, which is returned only once."""

    webhook_id: str
    secret: str


class Webhooks:
    """Commands on webhooks; none waits for a delivery. One that raises DomainError or DomainErrors changed nothing."""

    def __init__(self, store: Store, bus: Bus, deps: DeliveryDeps) -> None:
        self._store = store
        self._bus = bus
        self._secrets = deps.secrets
        self._http = deps.http

    async def create(self, viewer: Viewer, new: NewWebhook) -> IssuedSecret:
        """Create a webhook with a new secret. Raises Invalid (LIMIT_EXCEEDED) when the viewer has too many."""
        await _validate(self._http, {"url": new.url, "events": new.events})
        issued = IssuedSecret(ids.new("webhook"), signing.new_secret())
        async with self._store.write() as connection:
            instant = await clock.current(connection)
            if new.job_id is not None:
                await _check_job(connection, viewer, new.job_id)
            if await webhook_queries.count_of_owner(connection, viewer.id) >= WEBHOOKS_PER_OWNER:
                raise Invalid(
                    f"You have {WEBHOOKS_PER_OWNER} webhooks already; delete one first.",
                    ("input",),
                    ErrorCode.LIMIT_EXCEEDED,
                )
            await connection.execute(
                sa.insert(WEBHOOK).values(
                    id=issued.webhook_id,
                    owner_id=viewer.id,
                    job_id=new.job_id,
                    url=new.url,
                    events=_distinct(new.events),
                    active=True,
                    secret=self._secrets.seal(issued.secret, issued.webhook_id),
                    created_at=instant,
                    updated_at=instant,
                )
            )
        return issued

    async def update(self, viewer: Viewer, webhook_id: str, edit: WebhookEdit) -> None:
        """Change a webhook. Switching it on or changing its URL makes its unfinished deliveries due now."""
        await _validate(self._http, edit)
        values: dict[str, Any] = dict(edit)
        if events := edit.get("events"):
            values["events"] = _distinct(events)
        async with self._store.write() as connection:
            webhook = await _webhook(connection, viewer, webhook_id)
            instant = await clock.current(connection)
            switched_on = edit.get("active") is True and not webhook.active
            moved = edit.get("url", webhook.url) != webhook.url
            if switched_on or moved:
                values["failing_since"] = None
            if "active" in edit:
                values["disabled_reason"] = None
            await connection.execute(
                sa.update(WEBHOOK).where(WEBHOOK.c.id == webhook_id).values(**values, updated_at=instant)
            )
            if switched_on or moved:
                unfinished = WEBHOOK_DELIVERY.c.status.in_(deliveries.UNFINISHED)
                await deliveries.restart(connection, (WEBHOOK_DELIVERY.c.webhook_id == webhook_id) & unfinished)
        self._wake()

    async def rotate(self, viewer: Viewer, webhook_id: str) -> IssuedSecret:
        """Replace the secret; the previous one stays valid for `ROTATION`, an older one becomes invalid."""
        issued = IssuedSecret(webhook_id, signing.new_secret())
        async with self._store.write() as connection:
            webhook = await _webhook(connection, viewer, webhook_id)
            instant = await clock.current(connection)
            await connection.execute(
                sa.update(WEBHOOK)
                .where(WEBHOOK.c.id == webhook_id)
                .values(
                    secret=self._secrets.seal(issued.secret, webhook_id),
                    previous_secret=webhook.secret,
                    previous_until=instant + ROTATION,
                    updated_at=instant,
                )
            )
        return issued

    async def delete(self, viewer: Viewer, webhook_id: str) -> None:
        """Delete a webhook and its deliveries."""
        async with self._store.write() as connection:
            await _webhook(connection, viewer, webhook_id)
            await connection.execute(sa.delete(WEBHOOK).where(WEBHOOK.c.id == webhook_id))

    async def test(self, viewer: Viewer, webhook_id: str) -> str:
        """Send a sample, once; return the id of its delivery. A sample that is still pending is not sent twice."""
        async with self._store.write() as connection:
            webhook = await _webhook(connection, viewer, webhook_id)
            sample = await samples.sample(connection, webhook, viewer)
            pending = sa.select(WEBHOOK_DELIVERY.c.id).where(
                WEBHOOK_DELIVERY.c.webhook_id == webhook_id,
                WEBHOOK_DELIVERY.c.job_id == sample.job_id,
                WEBHOOK_DELIVERY.c.status == DeliveryStatus.PENDING,
                WEBHOOK_DELIVERY.c.version == sample.version,
            )
            delivery_id = (await connection.execute(pending)).scalar()
            if delivery_id is None:
                row = new_delivery_row(webhook_id, sample)
                await connection.execute(sa.insert(WEBHOOK_DELIVERY).values(row))
                delivery_id = str(row["id"])
        self._wake()
        return delivery_id

    async def redeliver(self, viewer: Viewer, delivery_id: str) -> None:
        """Make a delivery due now, with the same id and body. Raises InvalidState while its webhook is switched off."""
        path = ("deliveryId",)
        async with self._store.write() as connection:
            found = await webhook_queries.deliveries_by_id(connection, viewer, [delivery_id])
            delivery: DeliveryRow | None = found.get(delivery_id)
            if delivery is None:
                raise NotFound("There is no such delivery.", path, delivery_id)
            webhook = await _webhook(connection, viewer, delivery.webhook_id)
            if not (webhook.active or delivery.is_test):
                message = "The webhook is switched off; switch it on first."
                raise InvalidState(ErrorCode.INVALID_TRANSITION, message, path)
            await deliveries.restart(connection, WEBHOOK_DELIVERY.c.id == delivery_id)
        self._wake()

    def _wake(self) -> None:
        """Wake the deliverers of all processes."""
        self._bus.publish(DeliveriesDue())


async def _check_job(connection: Connection, viewer: Viewer, job_id: str) -> None:
    job = await queries.one(queries.jobs_by_id, connection, viewer, job_id)
    path = ("input", "jobId")
    if job is None:
        raise no_such_job(path, job_id)
    if not owns(viewer, job.owner_id):
        raise Forbidden("A worker cannot subscribe to a job of another owner.", path)


async def _webhook(connection: Connection, viewer: Viewer, webhook_id: str) -> WebhookRow:
    webhook = await queries.one(webhook_queries.webhooks_by_id, connection, viewer, webhook_id)
    if webhook is None:
        raise NotFound("There is no such webhook.", _PATH, webhook_id)
    return webhook


def _distinct(events: Sequence[EventType]) -> list[str]:
    return [event.value for event in dict.fromkeys(events)]


async def _validate(http: HttpClient, edit: WebhookEdit) -> None:
    """Raise DomainErrors with every problem of these fields."""
    problems = Problems()
    if "events" in edit and not edit.get("events"):
        problems.add("events must contain at least one event type.", ["input", "events"])
    if "active" in edit and edit["active"] is None:
        problems.add("active cannot be null.", ["input", "active"])
    if "url" in edit:
        await _validate_url(http, problems, edit["url"])
    problems.check()


async def _validate_url(http: HttpClient, problems: Problems, url: str | None) -> None:
    path = ["input", "url"]
    before = len(problems.found)
    problems.text(url, path, max_characters=URL_CHARACTERS)
    if url is None or len(problems.found) > before:
        return
    try:
        http.parse(url)
    except DeliveryFailed:
        schemes = "http or https" if http.policy.http else "https"
        problems.add(f"url must be an {schemes} URL with a host and no user name.", path)
        return
    try:
        await http.check_reachable(url)
    except DeliveryFailed as failed:
        if failed.kind is DeliveryErrorKind.NOT_ALLOWED:
            problems.add("url resolves to an address that is not public.", path)
        else:
            problems.add("url has a host name that cannot be resolved.", path)
