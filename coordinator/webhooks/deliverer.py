"""Delivers events to webhooks, in every process that renders.

It is woken when deliveries were written, and it polls. What is due is in the database; nothing is remembered here but
the attempts in flight.
"""

import asyncio
import logging
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from coordinator import tasks
from coordinator.bus.port import Bus, DeliveriesDue, Message, Resync
from coordinator.retrying import run_when_woken
from coordinator.telemetry import spans
from coordinator.telemetry.port import NO_TELEMETRY, Attributes, Telemetry
from coordinator.webhooks import backoff, deliveries, payloads, signing
from coordinator.webhooks.backoff import Attempt
from coordinator.webhooks.deliveries import Due
from coordinator.webhooks.http_client import DeliveryFailed, HttpClient
from coordinator.webhooks.json_v3 import MediaUrl
from coordinator.webhooks.signing import Secrets, Unsigned
from models.db import clock
from models.db.rows import WebhookRow
from models.domain.errors import Unavailable
from models.writes.store import Store

log = logging.getLogger(__name__)

CONCURRENCY = 32
# Attempts in flight to failing webhooks, which may hang; the rest is for healthy ones.
MOST_TO_FAILING = 16
POLL_SECONDS = 2.0
# The clock of the event loop may be ahead of the system clock by this much.
CLOCK_SECONDS = 0.01
# Messages within this time cause one look at the database.
GATHER_SECONDS = 0.05


class DeliveryDeps(NamedTuple):
    """What a delivery needs. The first pause after a failure grows by `backoff.BACKOFF_FACTOR`."""

    secrets: Secrets
    http: HttpClient
    media_url: MediaUrl
    first_backoff: timedelta = timedelta(seconds=5)
    telemetry: Telemetry = NO_TELEMETRY


class Deliverer:
    """Call `run` until it is cancelled, then `stop`."""

    def __init__(self, store: Store, bus: Bus, deps: DeliveryDeps) -> None:
        self._store = store
        self._bus = bus
        self._deps = deps
        self._name = uuid.uuid4().hex
        self._woken = asyncio.Event()
        self._waking: asyncio.TimerHandle | None = None
        self._in_flight: dict[asyncio.Task[None], WebhookRow] = {}

    async def run(self) -> None:
        """Attempt deliveries as they become due, until cancelled."""
        if self._store.database.embedded:
            # There is no other process: every lease is that of a process that was killed.
            await deliveries.release(self._store)
        unlisten = self._bus.listen(self._on_message)
        try:
            # Start with what is already due.
            self._woken.set()
            await run_when_woken(
                self._woken, self._start_due, name="webhooks", action="webhooks", poll_seconds=POLL_SECONDS
            )
        finally:
            unlisten()

    async def stop(self) -> None:
        """Cancel attempts in flight and release their leases."""
        if self._waking is not None:
            self._waking.cancel()
        attempts = list(self._in_flight)
        if attempts:
            await tasks.cancel("a webhook attempt", attempts)
            with suppress(Unavailable):
                await deliveries.release(self._store, self._name)

    def _on_message(self, message: Message) -> None:
        # An event without a delivery needs no look at the database, nor does progress.
        if self._waking is None and isinstance(message, DeliveriesDue | Resync):
            self._waking = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._wake)

    def _wake(self) -> None:
        self._waking = None
        self._woken.set()

    async def _start_due(self) -> None:
        """Claim what is due, as far as there is room, and start an attempt for each."""
        limit = CONCURRENCY - len(self._in_flight)
        if limit <= 0:
            return
        webhooks = self._in_flight.values()
        to_failing = sum(1 for webhook in webhooks if webhook.failing_since is not None)
        in_flight = Counter(webhook.id for webhook in webhooks)
        async with self._store.read() as connection:
            found = await deliveries.due(connection, limit, in_flight, MOST_TO_FAILING - to_failing)
            new = [each.delivery for each in found if each.delivery.body is None]
            bodies = await payloads.bodies(connection, new, self._deps.media_url) if new else {}
        if found:
            for leased in await deliveries.claim(self._store, found, bodies, self._name):
                task = asyncio.create_task(self._deliver(leased), name=f"delivery {leased.delivery.id}")
                self._in_flight[task] = leased.webhook
                task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        del self._in_flight[task]
        self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "an attempt is not recorded and will be repeated", exc_info=error, extra={"action": "webhook.lost"}
            )

    async def _deliver(self, leased: Due) -> None:
        attempt = await self._traced_attempt(leased)
        try:
            pause = await deliveries.record(self._store, leased, attempt, self._deps.first_backoff)
        except Unavailable:
            log.warning("an attempt is not recorded and will be repeated", extra={"action": "webhook.lost"})
            return
        seconds = POLL_SECONDS if pause is None else pause.total_seconds() + CLOCK_SECONDS
        if seconds < POLL_SECONDS:
            asyncio.get_running_loop().call_later(max(0.0, seconds), self._woken.set)

    async def _traced_attempt(self, leased: Due) -> Attempt:
        """Send the delivery once, as a part of the trace of the change that made the event."""
        delivery, telemetry = leased.delivery, self._deps.telemetry
        context = spans.continued(delivery.traceparent).child()
        attributes: Attributes = {
            "scenewire.webhook": delivery.webhook_id,
            "scenewire.delivery": delivery.id,
            "scenewire.job": delivery.job_id,
            "scenewire.version": delivery.version,
            "scenewire.events": delivery.event_type.value,
        }
        with spans.measured(telemetry, "webhook.delivery", context, attributes) as span:
            attempt = await self._attempt(leased, context.headers())
            span.error = attempt.error
        telemetry.delivered((attempt.error or "accepted").lower(), attempt.duration_ms / 1000)
        return attempt

    async def _attempt(self, leased: Due, trace_headers: Mapping[str, str]) -> Attempt:
        """Send the delivery once. Every error becomes part of the attempt."""
        delivery, webhook = leased
        at, started = clock.now(), time.monotonic()
        status: int | None = None
        retry_after: str | None = None
        try:
            body = delivery.body or ""
            headers = {
                "content-type": "application/json",
                "user-agent": "scenewire",
                **trace_headers,
                **signing.signed(self._valid_secrets(webhook), delivery.id, at, body),
            }
            status, retry_after = await self._deps.http.post(webhook.url, body.encode(), headers)
            error = backoff.error_kind(status)
        except DeliveryFailed as failed:
            error = failed.kind.value
        except Unsigned as unsigned:
            log.error("not sent: %s", unsigned, extra={"action": "webhook.unsigned", "webhook": webhook.id})
            error = "NOT_SIGNED"
        except Exception:
            log.exception("not sent", extra={"action": "webhook.defect", "delivery": delivery.id})
            error = "INTERNAL"
        return Attempt(at, status, round(1000 * (time.monotonic() - started)), error, retry_after)

    def _valid_secrets(self, webhook: WebhookRow) -> list[str]:
        """Return the current secret, and the previous one while it is still valid."""
        stored = [webhook.secret]
        if (
            webhook.previous_secret is not None
            and webhook.previous_until is not None
            and clock.now() < webhook.previous_until
        ):
            stored.append(webhook.previous_secret)
        return [self._deps.secrets.unseal(each, webhook.id) for each in stored]
