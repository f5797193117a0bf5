"""The deliverer: tells webhooks what happened, in every process that renders.

Woken by hints and looking by itself from time to time; what is due is in the database, and nothing is remembered here.
"""

import asyncio
import logging
import time
import uuid
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from coordinator.bus.port import Bus, Message
from coordinator.retrying import run_when_woken
from coordinator.webhooks import backoff, deliveries, payloads, signing
from coordinator.webhooks.backoff import Attempt
from coordinator.webhooks.deliveries import AT_ONCE, Due
from coordinator.webhooks.http_client import DeliveryFailed, Outbound
from coordinator.webhooks.json_v3 import MediaUrl
from coordinator.webhooks.signing import Secrets, Unsigned
from models.db.rows import WebhookRow
from models.domain.errors import Unavailable
from models.writes.store import Store, now

log = logging.getLogger(__name__)

CONCURRENCY = 32
# To webhooks that fail, and may hang; the rest is left for those that do not.
MOST_TO_FAILING = 16
POLL_SECONDS = 2.0
# The loop's clock may be so much ahead of the wall's.
CLOCK_SECONDS = 0.01
# A burst of changes is looked at once.
GATHER_SECONDS = 0.05


class DeliveryDeps(NamedTuple):
    """What telling a webhook takes. The first pause after a failure grows by `retries.BACKOFF_FACTOR`."""

    secrets: Secrets
    outbound: Outbound
    media_url: MediaUrl
    first_backoff: timedelta = timedelta(seconds=5)


class Deliverer:
    """`run` until it is cancelled, then `stop`."""

    def __init__(self, store: Store, bus: Bus, telling: DeliveryDeps) -> None:
        self._store = store
        self._bus = bus
        self._telling = telling
        self._name = uuid.uuid4().hex
        self._woken = asyncio.Event()
        self._waking: asyncio.TimerHandle | None = None
        self._tries: dict[asyncio.Task[None], WebhookRow] = {}

    async def run(self) -> None:
        """Try what is due, again and again."""
        if self._store.database.embedded:
            # There is no other process: what is held was held by one that was killed.
            await deliveries.release(self._store)
        unlisten = self._bus.listen(self._heard)
        try:
            # The first look is now.
            self._woken.set()
            await run_when_woken(self._woken, self._look, name="webhooks", action="webhooks", poll_seconds=POLL_SECONDS)
        finally:
            unlisten()

    async def stop(self) -> None:
        """Break off, and let others try at once what was being tried."""
        if self._waking is not None:
            self._waking.cancel()
        tries = list(self._tries)
        for task in tries:
            task.cancel()
        if tries:
            await asyncio.wait(tries)
            with suppress(Unavailable):
                await deliveries.release(self._store, self._name)

    def _heard(self, _message: Message) -> None:
        if self._waking is None:
            self._waking = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._wake)

    def _wake(self) -> None:
        self._waking = None
        self._woken.set()

    async def _look(self) -> None:
        limit = CONCURRENCY - len(self._tries)
        if limit <= 0:
            return
        to_failing = sum(1 for webhook in self._tries.values() if webhook.failing_since is not None)
        async with self._store.read() as connection:
            found = await deliveries.due(connection, limit, self._busy(), MOST_TO_FAILING - to_failing)
            new = [each.delivery for each in found if each.delivery.body is None]
            bodies = await payloads.bodies(connection, new, self._telling.media_url) if new else {}
        if found:
            for told in await deliveries.claim(self._store, found, bodies, self._name):
                task = asyncio.create_task(self._tell(told), name=f"telling {told.delivery.id}")
                self._tries[task] = told.webhook
                task.add_done_callback(self._told)

    def _busy(self) -> list[str]:
        tried = Counter(webhook.id for webhook in self._tries.values())
        failing = {webhook.id for webhook in self._tries.values() if webhook.failing_since is not None}
        return [webhook_id for webhook_id, count in tried.items() if count >= (1 if webhook_id in failing else AT_ONCE)]

    def _told(self, task: asyncio.Task[None]) -> None:
        del self._tries[task]
        self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a try is not recorded and will be repeated", exc_info=error, extra={"action": "webhook.lost"})

    async def _tell(self, told: Due) -> None:
        attempt = await self._try(told)
        try:
            again_at = await deliveries.record(self._store, told, attempt, self._telling.first_backoff)
        except Unavailable:
            log.warning("a try is not recorded and will be repeated", extra={"action": "webhook.lost"})
            return
        seconds = POLL_SECONDS if again_at is None else (again_at - now()).total_seconds() + CLOCK_SECONDS
        if seconds < POLL_SECONDS:
            asyncio.get_running_loop().call_later(max(0.0, seconds), self._woken.set)

    async def _try(self, told: Due) -> Attempt:
        at, began = now(), time.monotonic()
        status: int | None = None
        retry_after: str | None = None
        try:
            body = told.delivery.body or ""
            headers = signing.signed(self._secrets_of(told.webhook), told.delivery.id, at, body)
            common = {"content-type": "application/json", "user-agent": "scenewire"}
            status, retry_after = await self._telling.outbound.post(
                told.webhook.url, body.encode(), {**common, **headers}
            )
            error = backoff.error_kind(status)
        except DeliveryFailed as unreached:
            error = unreached.trouble.value
        except Unsigned as unsigned:
            log.error("not told: %s", unsigned, extra={"action": "webhook.unsigned", "webhook": told.webhook.id})
            error = "NOT_SIGNED"
        except Exception:
            log.exception("not told", extra={"action": "webhook.defect", "delivery": told.delivery.id})
            error = "INTERNAL"
        return Attempt(at, status, round(1000 * (time.monotonic() - began)), error, retry_after)

    def _secrets_of(self, webhook: WebhookRow) -> list[str]:
        """The secrets that count now: the newest, and for a while the one before."""
        stored = [webhook.secret]
        if (
            webhook.previous_secret is not None
            and webhook.previous_until is not None
            and now() < webhook.previous_until
        ):
            stored.append(webhook.previous_secret)
        return [self._telling.secrets.unseal(each, webhook.id) for each in stored]
