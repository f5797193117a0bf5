"""What can be done to a webhook."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, TypedDict

import sqlalchemy as sa

from coordinator.bus.port import Bus, Hint
from coordinator.webhooks import deliveries, samples, signing
from coordinator.webhooks.deliverer import DeliveryDeps
from coordinator.webhooks.http_client import DeliveryErrorKind, DeliveryFailed, HttpClient
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
from models.writes.store import Store, now

WEBHOOKS_AN_OWNER = 20
# After a rotation the secret before it signs for so long beside the new one.
ROTATION = timedelta(hours=24)

_PATH = ("input", "webhookId")


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook to be made; `job_id` None means every job of its owner."""

    url: str
    events: Sequence[EventType]
    job_id: str | None = None


class WebhookEdit(TypedDict, total=False):
    """The fields of a webhook to change; what is absent stays."""

    url: str | None
    events: Sequence[EventType] | None
    active: bool | None


class IssuedSecret(NamedTuple):
    """A webhook id and its new signing secret, which is returned only once."""

    webhook_id: str
    secret: str


class Webhooks:
    """Commands on webhooks; none waits for a delivery. Each that raises DomainError or DomainErrors changed nothing."""

    def __init__(self, store: Store, bus: Bus, telling: DeliveryDeps) -> None:
        self._store = store
        self._bus = bus
        self._secrets = telling.secrets
        self._http = telling.http

    async def create(self, viewer: Viewer, new: NewWebhook) -> IssuedSecret:
        """Make a webhook with a secret. Raises Invalid (LIMIT_EXCEEDED) when the viewer has too many."""
        await _check(self._http, {"url": new.url, "events": new.events})
        made = IssuedSecret(ids.new("webhook"), signing.new_secret())
        instant = now()
        async with self._store.write() as connection:
            if new.job_id is not None:
                await _check_job(connection, viewer, new.job_id)
            if await webhook_queries.count_of_owner(connection, viewer.id) >= WEBHOOKS_AN_OWNER:
                raise Invalid(
                    f"You have {WEBHOOKS_AN_OWNER} webhooks already; delete one first.",
                    ("input",),
                    ErrorCode.LIMIT_EXCEEDED,
                )
            await connection.execute(
                sa.insert(WEBHOOK).values(
                    id=made.webhook_id,
                    owner_id=viewer.id,
                    job_id=new.job_id,
                    url=new.url,
                    events=_distinct(new.events),
                    active=True,
                    secret=self._secrets.seal(made.secret, made.webhook_id),
                    created_at=instant,
                    updated_at=instant,
                )
            )
        return made

    async def update(self, viewer: Viewer, webhook_id: str, edit: WebhookEdit) -> None:
        """Change a webhook. Switched on, or given another address, it starts anew with what waits for it."""
        await _check(self._http, edit)
        values: dict[str, Any] = dict(edit)
        if events := edit.get("events"):
            values["events"] = _distinct(events)
        async with self._store.write() as connection:
            webhook = await _webhook(connection, viewer, webhook_id)
            wakes = edit.get("active") is True and not webhook.active
            moves = edit.get("url", webhook.url) != webhook.url
            if wakes or moves:
                values["failing_since"] = None
            if "active" in edit:
                values["disabled_reason"] = None
            await connection.execute(
                sa.update(WEBHOOK).where(WEBHOOK.c.id == webhook_id).values(**values, updated_at=now())
            )
            if wakes or moves:
                waiting = WEBHOOK_DELIVERY.c.status.in_(deliveries.WAITING)
                await deliveries.restart(connection, (WEBHOOK_DELIVERY.c.webhook_id == webhook_id) & waiting)
        self._wake(webhook.job_id)

    async def rotate(self, viewer: Viewer, webhook_id: str) -> IssuedSecret:
        """Give it a new secret; the one before signs beside it for `ROTATION`, one that is older no longer."""
        made = IssuedSecret(webhook_id, signing.new_secret())
        async with self._store.write() as connection:
            webhook = await _webhook(connection, viewer, webhook_id)
            await connection.execute(
                sa.update(WEBHOOK)
                .where(WEBHOOK.c.id == webhook_id)
                .values(
                    secret=self._secrets.seal(made.secret, webhook_id),
                    previous_secret=webhook.secret,
                    previous_until=now() + ROTATION,
                    updated_at=now(),
                )
            )
        return made

    async def delete(self, viewer: Viewer, webhook_id: str) -> None:
        """Delete a webhook, its deliveries with it."""
        async with self._store.write() as connection:
            await _webhook(connection, viewer, webhook_id)
            await connection.execute(sa.delete(WEBHOOK).where(WEBHOOK.c.id == webhook_id))

    async def test(self, viewer: Viewer, webhook_id: str) -> str:
        """Send a sample and answer the id of its delivery, which is tried once; one that still waits is not doubled."""
        async with self._store.write() as connection:
            webhook = await _webhook(connection, viewer, webhook_id)
            sample = await samples.sample(connection, webhook, viewer)
            waiting = sa.select(WEBHOOK_DELIVERY.c.id).where(
                WEBHOOK_DELIVERY.c.webhook_id == webhook_id,
                WEBHOOK_DELIVERY.c.job_id == sample.job_id,
                WEBHOOK_DELIVERY.c.status == DeliveryStatus.PENDING,
                WEBHOOK_DELIVERY.c.version == sample.version,
            )
            delivery_id = (await connection.execute(waiting)).scalar()
            if delivery_id is None:
                row = new_delivery_row(webhook_id, sample)
                await connection.execute(sa.insert(WEBHOOK_DELIVERY).values(row))
                delivery_id = str(row["id"])
        self._wake(sample.job_id)
        return delivery_id

    async def redeliver(self, viewer: Viewer, delivery_id: str) -> None:
        """Make a delivery due again: same id, same body. Raises InvalidState while its webhook is switched off."""
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
        self._wake(delivery.job_id)

    def _wake(self, job_id: str | None) -> None:
        """Any hint makes every deliverer look, in other processes too."""
        self._bus.publish(Hint(job_id or samples.NO_JOB, 0))


async def _check_job(connection: Connection, viewer: Viewer, job_id: str) -> None:
    job = await queries.one(queries.jobs_by_id, connection, viewer, job_id)
    path = ("input", "jobId")
    if job is None:
        raise no_such_job(path, job_id)
    if not owns(viewer, job.owner_id):
        raise Forbidden("A worker may not be told of somebody else's job.", path)


async def _webhook(connection: Connection, viewer: Viewer, webhook_id: str) -> WebhookRow:
    webhook = await queries.one(webhook_queries.webhooks_by_id, connection, viewer, webhook_id)
    if webhook is None:
        raise NotFound("There is no such webhook.", _PATH, webhook_id)
    return webhook


def _distinct(events: Sequence[EventType]) -> list[str]:
    return [event.value for event in dict.fromkeys(events)]


async def _check(http: HttpClient, edit: WebhookEdit) -> None:
    """Raise DomainErrors with all that is wrong with these fields."""
    problems = Problems()
    if "events" in edit and not edit.get("events"):
        problems.add("events must name at least one type of event.", ["input", "events"])
    if "active" in edit and edit["active"] is None:
        problems.add("active cannot be null.", ["input", "active"])
    if "url" in edit:
        await _check_url(http, problems, edit["url"])
    problems.check()


async def _check_url(http: HttpClient, problems: Problems, url: str | None) -> None:
    path = ["input", "url"]
    before = len(problems.found)
    problems.text(url, path, max_characters=URL_CHARACTERS)
    if url is None or len(problems.found) > before:
        return
    try:
        http.parse(url)
    except DeliveryFailed:
        schemes = "http or https" if http.policy.http else "https"
        problems.add(f"url must be an {schemes} address that names a host and no user.", path)
        return
    try:
        await http.check_reachable(url)
    except DeliveryFailed as unreached:
        if unreached.kind is DeliveryErrorKind.NOT_ALLOWED:
            problems.add("url leads to an address that is not on the public internet.", path)
        else:
            problems.add("url names a host that cannot be found.", path)
