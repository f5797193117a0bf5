"""Webhook deliveries that fail are retried, until they are accepted or exhausted."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordinator.webhooks import http_client
from models.db.tables import WEBHOOK
from tests.support import jobs, webhook_calls
from tests.support.factories import a_job
from tests.support.server_app import App, running
from tests.support.webhook_calls import a_day_passes, hook, until_delivery, until_over, webhook
from tests.support.webhook_receiver import Answer, Received, Receiver, break_off, hang, receiving, status

# Leaves a test an hour before the next attempt.
RETRY_LATER = status(503, "retry-after: 3600")


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A server with a short first backoff."""
    async with running(tmp_path, webhook_retry_first_seconds=0.02) as app:
        yield app


def failing(times: int, answer: Answer) -> Answer:
    """Answer this many requests with `answer`, and accept later ones."""
    left = times

    async def some(received: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        left -= 1
        await (status(200) if left < 0 else answer)(received, writer)

    return some


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (status(500), (500, "STATUS")),
        (status(404, body=b"{}"), (404, "STATUS")),
        (status(301, "location: http://127.0.0.1:9/"), (301, "REDIRECT")),
        (break_off, (None, "BROKEN_OFF")),
        (hang, (None, "TIMEOUT")),
    ],
)
async def test_failed_delivery_is_retried_with_the_same_id_and_body(
    app: App,
    receiver: Receiver,
    answer: Answer,
    expected: tuple[int | None, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Byte for byte, though the job has changed; every attempt is logged and signed."""
    monkeypatch.setattr(http_client, "TOTAL_SECONDS", 0.3)
    receiver.answer = failing(2, answer)
    created = await hook(app, receiver.url, "JOB_CREATED")
    job = await a_job(app, "A kite")
    await receiver.count(1)
    await jobs.retitle(app, job.id, "Changed meanwhile")
    received = await receiver.count(3)
    (delivery,) = await until_over(app, created.id)
    assert len({(each.id, each.body) for each in received}) == 1
    for each in received:
        each.verified(created.secret)
    attempts = [(each["responseStatus"], each["error"]) for each in delivery["attempts"]]
    assert attempts == [expected, expected, (200, None)]
    assert delivery | {"attempts": [], "createdAt": ""} == {
        "id": received[0].id,
        "eventType": "JOB_CREATED",
        "jobId": job.id,
        "version": 1,
        "status": "SUCCEEDED",
        "attempts": [],
        "nextAttemptAt": None,
        "createdAt": "",
    }


async def test_delivery_to_closed_port_is_failed_until_its_next_attempt(app: App) -> None:
    """The delivery has the status FAILED and the time of the next attempt, and is found by that status."""
    async with receiving() as receiver:
        url = receiver.url
    created = await hook(app, url, "JOB_CREATED")
    await a_job(app, "A kite")
    (pending,) = await webhook_calls.deliveries(app, created.id)
    failed = await until_delivery(app, pending["id"], "FAILED", tries=2)
    assert {(each["responseStatus"], each["error"]) for each in failed["attempts"]} == {(None, "NOT_CONNECTED")}
    assert failed["nextAttemptAt"] > failed["attempts"][-1]["at"]
    by_status = [await webhook_calls.deliveries(app, created.id, f"status: {each}") for each in ("FAILED", "SUCCEEDED")]
    assert [len(each) for each in by_status] == [1, 0]


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("format_name", ["seconds", "date"])
async def test_delivery_is_retried_as_late_as_retry_after_says(
    app: App, receiver: Receiver, code: int, format_name: str
) -> None:
    """In both formats of the header."""
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    receiver.answer = status(code, f"retry-after: {'3600' if format_name == 'seconds' else date}")
    created = await hook(app, receiver.url, "JOB_CREATED")
    await a_job(app, "A kite")
    (pending,) = await webhook_calls.deliveries(app, created.id)
    failed = await until_delivery(app, pending["id"], "FAILED")
    pause = datetime.fromisoformat(failed["nextAttemptAt"]) - datetime.fromisoformat(failed["attempts"][0]["at"])
    assert timedelta(minutes=59) < pause < timedelta(minutes=61)


async def test_webhook_that_fails_for_a_day_is_switched_off(app: App, receiver: Receiver) -> None:
    """With the reason; later events are not delivered. Switched on again it gets what was pending, and new events."""
    receiver.answer = RETRY_LATER
    created = await hook(app, receiver.url, "JOB_CREATED", "JOB_UPDATED")
    job = await a_job(app, "A kite")
    await jobs.retitle(app, job.id, "Waits for the first")
    pending, first = await webhook_calls.deliveries(app, created.id)
    await until_delivery(app, first["id"], "FAILED")
    await a_day_passes(app)
    await until_delivery(app, first["id"], "EXHAUSTED")
    off = await webhook(app, created.id)
    assert (off["active"], off["disabledReason"]) == (False, "Nothing was accepted for 24 hours.")
    attempts = len(receiver.received)
    await jobs.retitle(app, job.id, "While it is off")
    receiver.answer = status(204)
    assert (await webhook_calls.delivery(app, pending["id"]))["status"] == "PENDING"
    assert len(receiver.received) == attempts
    selection = "webhook { active disabledReason }"
    on = await webhook_calls.mutate(app, "updateWebhook", created.id, selection, active=True)
    assert on == {"webhook": {"active": True, "disabledReason": None}}
    await jobs.retitle(app, job.id, "While it is on")
    await receiver.until(lambda received: received[-1].data["version"] == 4)
    assert [each.place for each in receiver.received[attempts:]] == [(job.id, 2), (job.id, 4)]


async def test_webhook_that_accepted_another_delivery_within_a_day_stays_on(app: App, receiver: Receiver) -> None:
    """A delivery that is never accepted is exhausted alone, and the next event of its job is delivered."""

    async def refuse_first(received: Received, writer: asyncio.StreamWriter) -> None:
        await (RETRY_LATER if received.data["version"] == 1 else status(204))(received, writer)

    receiver.answer = refuse_first
    created = await hook(app, receiver.url, "JOB_CREATED", "JOB_UPDATED")
    job = await a_job(app, "A kite")
    await jobs.retitle(app, job.id, "Waits for the first")
    _, first = await webhook_calls.deliveries(app, created.id)
    await until_delivery(app, first["id"], "FAILED")
    # As if a delivery of another job had been accepted today.
    async with app.container.store.write() as connection:
        await connection.execute(sa.update(WEBHOOK).values(failing_since=None))
    await a_day_passes(app)
    second, first = await until_over(app, created.id)
    assert (first["status"], second["status"]) == ("EXHAUSTED", "SUCCEEDED")
    assert (await webhook(app, created.id))["active"]


async def test_webhook_that_answers_410_gone_is_switched_off_at_once(app: App, receiver: Receiver) -> None:
    """Its delivery is exhausted after one attempt, and cannot be redelivered while the webhook is off."""
    receiver.answer = status(410)
    created = await hook(app, receiver.url, "JOB_CREATED")
    await a_job(app, "A kite")
    (delivery,) = await until_over(app, created.id)
    assert (delivery["status"], len(delivery["attempts"])) == ("EXHAUSTED", 1)
    off = await webhook(app, created.id)
    assert (off["active"], off["disabledReason"]) == (False, "The address answered 410 Gone.")
    payload = await webhook_calls.redeliver(app, delivery["id"])
    assert [(each["code"], each["path"]) for each in payload["errors"]] == [("INVALID_TRANSITION", ["deliveryId"])]


async def test_webhook_with_new_url_is_sent_its_failed_deliveries_at_once(app: App, receiver: Receiver) -> None:
    """They do not wait for the backoff of the previous URL."""
    receiver.answer = RETRY_LATER
    created = await hook(app, receiver.url, "JOB_CREATED")
    await a_job(app, "A kite")
    (pending,) = await webhook_calls.deliveries(app, created.id)
    await until_delivery(app, pending["id"], "FAILED")
    async with receiving() as other:
        await webhook_calls.mutate(app, "updateWebhook", created.id, "webhook { id }", url=other.url)
        (received,) = await other.count(1)
        assert (received.id, received.body) == (pending["id"], receiver.received[0].body)


async def test_delivery_to_private_address_is_not_sent(app: App, receiver: Receiver) -> None:
    """Not even when the URL was public at the time the webhook was created."""
    created = await hook(app, receiver.url, "JOB_CREATED")
    async with app.container.store.write() as connection:
        await connection.execute(sa.update(WEBHOOK).values(url="http://10.0.0.1/"))
    await a_job(app, "A kite")
    (pending,) = await webhook_calls.deliveries(app, created.id)
    failed = await until_delivery(app, pending["id"], "FAILED")
    assert failed["attempts"][0]["error"] == "NOT_ALLOWED"


async def test_delivery_is_not_sent_unsigned(app: App, receiver: Receiver) -> None:
    """A webhook's secret cannot be decrypted, as after a change of the server's key."""
    created = await hook(app, receiver.url, "JOB_CREATED")
    other = await hook(app, receiver.url, "JOB_DELETED")
    async with app.container.store.write() as connection:
        another = sa.select(WEBHOOK.c.secret).where(WEBHOOK.c.id == other.id).scalar_subquery()
        await connection.execute(sa.update(WEBHOOK).where(WEBHOOK.c.id == created.id).values(secret=another))
    await a_job(app, "A kite")
    (pending,) = await webhook_calls.deliveries(app, created.id)
    failed = await until_delivery(app, pending["id"], "FAILED")
    assert failed["attempts"][0]["error"] == "NOT_SIGNED"
    assert receiver.received == []


async def test_deliverer_is_woken_without_a_restart(
    app: App, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """A deliverer that fails at each look is restarted and delivers in the end, which would hide the failure."""
    await hook(app, receiver.url, "JOB_UPDATED")
    made = await a_job(app, "A kite")
    for number in range(2):
        await jobs.retitle(app, made.id, f"Title {number}")
        await receiver.count(number + 1)
    assert [each for each in caplog.records if getattr(each, "action", "") == "webhooks.restart"] == []
