"""What a webhook is told, by Standard Webhooks: at least once, in order, signed, again until it is accepted."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from standardwebhooks import WebhookVerificationError

from coordinator.storage import retention
from coordinator.storage.retention import Retention
from coordinator.webhooks import deliveries, http_client
from coordinator.webhooks.deliverer import Deliverer
from models.db.tables import WEBHOOK, WEBHOOK_DELIVERY
from tests.support import jobs, webhook_calls
from tests.support.client import Json
from tests.support.factories import a_job, a_scene, accepted, report
from tests.support.rest_calls import data, place
from tests.support.server_app import App, running
from tests.support.server_process import ROOT
from tests.support.webhook_calls import LIFE, a_day_passes, hook, until_delivery, until_over, webhook
from tests.support.webhook_receiver import Answer, Received, Receiver, break_off, hang, receiving, status

pytestmark = pytest.mark.both_databases


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A server that does not wait long before it tries again."""
    async with running(tmp_path, webhook_retry_first_seconds=0.02) as app:
        yield app


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    """Somebody who accepts everything until a test has it behave otherwise."""
    async with receiving() as receiver:
        yield receiver


# So that a test can do something before it is tried again.
LATER = status(503, "retry-after: 3600")


def failing(times: int, answer: Answer) -> Answer:
    """Answer so many requests in this way, and accept what comes afterwards."""
    left = times

    async def some(received: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        left -= 1
        await (status(200) if left < 0 else answer)(received, writer)

    return some


class TestWhatIsSent:
    """The message."""

    async def test_an_event_of_a_scene(self, app: App, receiver: Receiver) -> None:
        """Type, timestamp and data; scene and job as REST shows them, their metadata included; signed."""
        made = await hook(app, receiver.url, "SCENE_COMPLETED")
        job = await a_job(app, "A kite", metadata={"order": 7})
        await accepted(app, "updateScene", sceneId=job.scenes[0], metadata={"shot": [1, 2]})
        await report(app, job.scenes[0], "PROCESSING", "COMPLETED", outputUrl="https://clips.example/1.mp4")
        (received,) = await receiver.count(1)
        said = received.verified(made.secret)
        (event,) = [each for each in await events(app, job.id) if each["type"] == "SCENE_COMPLETED"]
        scene = await data(app, "GET", *place(job))
        progress = (await app.http.get(f"/api/v3/jobs/{job.id}/scenes")).json()["progress"]
        sent_job = said["data"].pop("job")
        assert said == {
            "type": "scene.completed",
            "timestamp": event["occurredAt"],
            "data": {
                "version": event["version"],
                "type": "SCENE_COMPLETED",
                "job_id": job.id,
                "scene_id": job.scenes[0],
                "actor_id": "local",
                "changed": event["changed"],
                "scene": scene,
            },
        }
        assert scene["metadata"] == {"shot": [1, 2]}
        assert scene["video_url"] == "https://clips.example/1.mp4"
        assert sent_job["progress"] == progress
        assert (sent_job["id"], sent_job["metadata"], sent_job["status"]) == (job.id, {"order": 7}, "completed")

    async def test_an_event_of_a_job(self, app: App, receiver: Receiver) -> None:
        """Is about no scene."""
        await hook(app, receiver.url, "JOB_CREATED")
        await a_job(app, "A kite")
        (received,) = await receiver.count(1)
        assert received.payload["type"] == "job.created"
        assert "scene" not in received.data
        assert (received.data["scene_id"], received.data["job"]["status"]) == (None, "pending")

    async def test_a_clip_of_ours_is_an_address(self, app: App, receiver: Receiver) -> None:
        """Of what our workers rendered."""
        await hook(app, receiver.url, "SCENE_COMPLETED")
        await jobs.make(app, jobs.scene(), start=True)
        (received,) = await receiver.count(1)
        assert received.data["scene"]["video_url"].startswith("http://scenewire.test/media/job_")
        assert received.data["actor_id"] is None

    async def test_the_headers(self, app: App, receiver: Receiver) -> None:
        """Id, timestamp of the try and signature; no cookie, no token, nothing of this server."""
        made = await hook(app, receiver.url, "JOB_CREATED")
        await a_job(app, "A kite")
        (received,) = await receiver.count(1)
        (delivery,) = await until_over(app, made.id)
        assert received.id == delivery["id"]
        assert abs(int(received.headers["webhook-timestamp"]) - time.time()) < 10
        assert received.headers["content-type"] == "application/json"
        assert set(received.headers) == {
            "accept",
            "accept-encoding",
            "connection",
            "content-length",
            "content-type",
            "host",
            "user-agent",
            "webhook-id",
            "webhook-signature",
            "webhook-timestamp",
        }

    async def test_only_what_was_asked_for(self, app: App) -> None:
        """By type of event, and by job."""
        async with receiving() as all_of_it, receiving() as some, receiving() as one:
            job = await a_job(app, "A kite")
            hooked = [await hook(app, all_of_it.url), await hook(app, some.url, "SCENE_COMPLETED")]
            hooked.append(await hook(app, one.url, jobId=job.id))
            for scene in (*job.scenes, (await a_scene(app))[1]):
                await report(app, scene, "PROCESSING", "COMPLETED")
            for each in hooked:
                await until_over(app, each.id)
            assert len(all_of_it.received) == len(LIFE) * 2 - 1
            assert webhook_calls.types(some.received) == ["scene.completed"] * 2
            assert {each.data["job_id"] for each in one.received} == {job.id}
            assert webhook_calls.types(one.received) == [
                "job.started",
                "scene.started",
                "scene.completed",
                "job.settled",
            ]

    async def test_an_event_is_told_though_the_log_has_forgotten_it(self, app: App, receiver: Receiver) -> None:
        """The log is pruned while the receiver is away; what is told is the same."""
        receiver.answer = hang
        await hook(app, receiver.url, "JOB_CREATED", "JOB_UPDATED")
        job = await a_job(app, "A kite")
        await jobs.retitle(app, job.id, "Renamed")
        await receiver.count(1)
        await retention.prune(app.container.store, Retention(0, timedelta(0)))
        assert await events(app, job.id) == []
        receiver.answer = status(204)
        receiver.hang_up()
        received = await receiver.count(3)
        assert received[-1].payload["type"] == "job.updated"
        assert (received[-1].data["changed"], received[-1].data["actor_id"]) == (["title"], "local")


async def events(app: App, job_id: str) -> list[Json]:
    """The log of a job."""
    return (await jobs.job(app, job_id, "events { version type changed occurredAt }"))["events"]


class TestTrying:
    """Until it is accepted."""

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
    async def test_what_is_not_accepted_is_sent_again_as_it_was(
        self,
        app: App,
        receiver: Receiver,
        answer: Answer,
        expected: tuple[int | None, str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Id and body are the same, byte for byte, though the scene has changed; every try is noted and signed."""
        monkeypatch.setattr(http_client, "TOTAL_SECONDS", 0.3)
        receiver.answer = failing(2, answer)
        made = await hook(app, receiver.url, "JOB_CREATED")
        job = await a_job(app, "A kite")
        await receiver.count(1)
        await jobs.retitle(app, job.id, "Changed meanwhile")
        received = await receiver.count(3)
        (delivery,) = await until_over(app, made.id)
        assert len({(each.id, each.body) for each in received}) == 1
        for each in received:
            each.verified(made.secret)
        tried = [(each["responseStatus"], each["error"]) for each in delivery["attempts"]]
        assert tried == [expected, expected, (200, None)]
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

    async def test_nobody_is_there(self, app: App) -> None:
        """A port that is closed; meanwhile it has FAILED and another try is planned."""
        async with receiving() as receiver:
            url = receiver.url
        made = await hook(app, url, "JOB_CREATED")
        await a_job(app, "A kite")
        (waiting,) = await webhook_calls.deliveries(app, made.id)
        failed = await until_delivery(app, waiting["id"], "FAILED", tries=2)
        assert {(each["responseStatus"], each["error"]) for each in failed["attempts"]} == {(None, "NOT_CONNECTED")}
        assert failed["nextAttemptAt"] > failed["attempts"][-1]["at"]
        by_status = [
            await webhook_calls.deliveries(app, made.id, f"status: {each}") for each in ("FAILED", "SUCCEEDED")
        ]
        assert [len(each) for each in by_status] == [1, 0]

    @pytest.mark.parametrize("code", [429, 503])
    @pytest.mark.parametrize("how", ["seconds", "date"])
    async def test_it_waits_as_long_as_it_is_asked_to(self, app: App, receiver: Receiver, code: int, how: str) -> None:
        """Retry-After, in both spellings."""
        text = "3600" if how == "seconds" else format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
        receiver.answer = status(code, f"retry-after: {text}")
        made = await hook(app, receiver.url, "JOB_CREATED")
        await a_job(app, "A kite")
        (waiting,) = await webhook_calls.deliveries(app, made.id)
        failed = await until_delivery(app, waiting["id"], "FAILED")
        pause = datetime.fromisoformat(failed["nextAttemptAt"]) - datetime.fromisoformat(failed["attempts"][0]["at"])
        assert timedelta(minutes=59) < pause < timedelta(minutes=61)

    async def test_after_a_day_it_is_given_up_and_the_webhook_switched_off(self, app: App, receiver: Receiver) -> None:
        """With the reason; what happens then is not told; switched on again it hears what waited, and what comes."""
        receiver.answer = LATER
        made = await hook(app, receiver.url, "JOB_CREATED", "JOB_UPDATED")
        job = await a_job(app, "A kite")
        await jobs.retitle(app, job.id, "Waits behind it")
        waiting, first = await webhook_calls.deliveries(app, made.id)
        await until_delivery(app, first["id"], "FAILED")
        await a_day_passes(app)
        await until_delivery(app, first["id"], "EXHAUSTED")
        off = await webhook(app, made.id)
        assert (off["active"], off["disabledReason"]) == (False, "Nothing was accepted for 24 hours.")
        tries = len(receiver.received)
        await jobs.retitle(app, job.id, "Not told")
        receiver.answer = status(204)
        assert (await webhook_calls.delivery(app, waiting["id"]))["status"] == "PENDING"
        assert len(receiver.received) == tries
        on = await webhook_calls.mutate(app, "updateWebhook", made.id, "webhook { active disabledReason }", active=True)
        assert on == {"webhook": {"active": True, "disabledReason": None}}
        await jobs.retitle(app, job.id, "Told again")
        await receiver.until(lambda received: received[-1].data["version"] == 4)
        assert [each.place for each in receiver.received[tries:]] == [(job.id, 2), (job.id, 4)]

    async def test_a_success_in_between_keeps_it_on(self, app: App, receiver: Receiver) -> None:
        """One event that is never accepted is given up by itself, and the next of that job is told."""

        async def picky(received: Received, writer: asyncio.StreamWriter) -> None:
            await (LATER if received.data["version"] == 1 else status(204))(received, writer)

        receiver.answer = picky
        made = await hook(app, receiver.url, "JOB_CREATED", "JOB_UPDATED")
        job = await a_job(app, "A kite")
        await jobs.retitle(app, job.id, "Waits behind it")
        _, first = await webhook_calls.deliveries(app, made.id)
        await until_delivery(app, first["id"], "FAILED")
        # As if another job's had been accepted today.
        async with app.container.store.write() as connection:
            await connection.execute(sa.update(WEBHOOK).values(failing_since=None))
        await a_day_passes(app)
        second, first = await until_over(app, made.id)
        assert (first["status"], second["status"]) == ("EXHAUSTED", "SUCCEEDED")
        assert (await webhook(app, made.id))["active"]

    async def test_an_address_that_is_gone_switches_it_off_at_once(self, app: App, receiver: Receiver) -> None:
        """410 says that nobody will ever want this again."""
        receiver.answer = status(410)
        made = await hook(app, receiver.url, "JOB_CREATED")
        await a_job(app, "A kite")
        (delivery,) = await until_over(app, made.id)
        assert (delivery["status"], len(delivery["attempts"])) == ("EXHAUSTED", 1)
        off = await webhook(app, made.id)
        assert (off["active"], off["disabledReason"]) == (False, "The address answered 410 Gone.")
        payload = await webhook_calls.redeliver(app, delivery["id"])
        assert [(each["code"], each["path"]) for each in payload["errors"]] == [("INVALID_TRANSITION", ["deliveryId"])]

    async def test_a_new_address_starts_anew(self, app: App, receiver: Receiver) -> None:
        """What waited for the next try of the old one is sent at once."""
        receiver.answer = LATER
        made = await hook(app, receiver.url, "JOB_CREATED")
        await a_job(app, "A kite")
        (waiting,) = await webhook_calls.deliveries(app, made.id)
        await until_delivery(app, waiting["id"], "FAILED")
        async with receiving() as other:
            await webhook_calls.mutate(app, "updateWebhook", made.id, "webhook { id }", url=other.url)
            (received,) = await other.count(1)
            assert (received.id, received.body) == (waiting["id"], receiver.received[0].body)

    async def test_an_address_that_has_come_to_lead_inside(self, app: App, receiver: Receiver) -> None:
        """Is not connected to, though it was checked when the webhook was made."""
        made = await hook(app, receiver.url, "JOB_CREATED")
        async with app.container.store.write() as connection:
            await connection.execute(sa.update(WEBHOOK).values(url="http://10.0.0.1/"))
        await a_job(app, "A kite")
        (waiting,) = await webhook_calls.deliveries(app, made.id)
        failed = await until_delivery(app, waiting["id"], "FAILED")
        assert failed["attempts"][0]["error"] == "NOT_ALLOWED"

    async def test_a_secret_that_cannot_be_read_any_more(self, app: App, receiver: Receiver) -> None:
        """As after the server's key was changed: nothing is sent unsigned, and a rotation helps."""
        made = await hook(app, receiver.url, "JOB_CREATED")
        other = await hook(app, receiver.url, "JOB_DELETED")
        async with app.container.store.write() as connection:
            another = sa.select(WEBHOOK.c.secret).where(WEBHOOK.c.id == other.id).scalar_subquery()
            await connection.execute(sa.update(WEBHOOK).where(WEBHOOK.c.id == made.id).values(secret=another))
        await a_job(app, "A kite")
        (waiting,) = await webhook_calls.deliveries(app, made.id)
        failed = await until_delivery(app, waiting["id"], "FAILED")
        assert failed["attempts"][0]["error"] == "NOT_SIGNED"
        assert receiver.received == []


class TestOrder:
    """Of one job and webhook."""

    async def test_a_later_event_waits_for_the_earlier_one(self, app: App, receiver: Receiver) -> None:
        """However often that fails; another job's are not held up."""
        refused: Counter[str] = Counter()

        async def moody(received: Received, writer: asyncio.StreamWriter) -> None:
            refused[received.id] += 1
            await status(500 if refused[received.id] < 3 else 204)(received, writer)

        receiver.answer = moody
        made = await hook(app, receiver.url, *LIFE)
        made_jobs = [await a_job(app, "A kite") for _ in range(3)]
        await asyncio.gather(*(report(app, job.scenes[0], "PROCESSING", "COMPLETED") for job in made_jobs))
        await until_over(app, made.id)
        for job in made_jobs:
            told = [version for job_id, version in (each.place for each in receiver.received) if job_id == job.id]
            assert told == [version for version in range(1, 6) for _ in range(3)]

    async def test_one_job_does_not_hold_up_another(self, app: App, receiver: Receiver) -> None:
        """Whose first event is never accepted."""
        stuck = await a_job(app, "Stuck")

        async def picky(received: Received, writer: asyncio.StreamWriter) -> None:
            await status(500 if received.data["job_id"] == stuck.id else 204)(received, writer)

        receiver.answer = picky
        await hook(app, receiver.url, *LIFE)
        await report(app, stuck.scenes[0], "PROCESSING", "COMPLETED")
        _, scene_id = await a_scene(app)
        await report(app, scene_id, "PROCESSING", "COMPLETED")
        await receiver.until(lambda received: "job.settled" in webhook_calls.types(received))
        assert {each.data["version"] for each in receiver.received if each.data["job_id"] == stuck.id} == {2}

    async def test_a_receiver_that_hangs_costs_nobody_else_anything(self, app: App, receiver: Receiver) -> None:
        """Neither a mutation nor another webhook; and it is not called more than four times at once."""
        async with receiving() as hanging:
            hanging.answer = hang
            await hook(app, hanging.url, "JOB_CREATED", "JOB_UPDATED")
            await hook(app, receiver.url, "JOB_CREATED", "JOB_UPDATED")
            slowest = 0.0
            for _ in range(10):
                began = time.monotonic()
                job = await a_job(app, "A kite")
                await jobs.retitle(app, job.id, "Renamed")
                slowest = max(slowest, time.monotonic() - began)
            received = await receiver.count(20)
            assert len({each.place for each in received}) == 20
            assert slowest < 2.0
            assert hanging.most_at_once <= 4

    async def test_two_deliverers_share_the_work(self, app: App, receiver: Receiver) -> None:
        """Each event is told once, by one or the other."""
        container = app.container
        # As another process has it: a deliverer with a name of its own on the same database.
        other = Deliverer(container.store, container.bus, container.coordinator.delivery_deps)
        running_too = asyncio.create_task(other.run())
        try:
            made = await hook(app, receiver.url, *LIFE)
            for _ in range(10):
                _, scene_id = await a_scene(app)
                await report(app, scene_id, "PROCESSING", "COMPLETED")
            await receiver.count(50)
            await until_over(app, made.id)
        finally:
            running_too.cancel()
            await asyncio.wait([running_too])
            await other.stop()
        assert len(receiver.received) == 50
        assert len({each.id for each in receiver.received}) == 50

    async def test_what_a_worker_held_that_is_gone_is_taken_over(self, app: App, receiver: Receiver) -> None:
        """When its time is over, and not before."""
        made = await hook(app, receiver.url, "JOB_CREATED", "JOB_UPDATED")
        await webhook_calls.mutate(app, "updateWebhook", made.id, "webhook { id }", active=True)
        receiver.answer = hang
        job = await a_job(app, "A kite")
        await receiver.count(1)
        (held,) = await webhook_calls.deliveries(app, made.id)
        async with app.container.store.write() as connection:
            gone: Json = {
                "leased_by": "somebody who died",
                "lease_expires_at": datetime.now(UTC) + timedelta(seconds=0.3),
            }
            await connection.execute(sa.update(WEBHOOK_DELIVERY).values(gone))
        receiver.answer = status(204)
        receiver.hang_up()
        delivery = await until_delivery(app, held["id"], "SUCCEEDED")
        # What the first came to is not written down by one who does not hold it any more.
        assert [each["error"] for each in delivery["attempts"]] == [None]
        assert [each.place for each in receiver.received] == [(job.id, 1)] * 2


class TestRotation:
    """Of the secret."""

    async def test_both_sign_for_a_day(self, app: App, receiver: Receiver) -> None:
        """Afterwards the new one alone."""
        made = await hook(app, receiver.url, "JOB_CREATED")
        new = (await webhook_calls.mutate(app, "rotateWebhookSecret", made.id, "webhook { id } secret"))["secret"]
        assert new != made.secret
        await a_job(app, "A kite")
        (received,) = await receiver.count(1)
        assert len(received.headers["webhook-signature"].split(" ")) == 2
        assert received.verified(made.secret) == received.verified(new)
        async with app.container.store.write() as connection:
            until = (await connection.execute(sa.select(WEBHOOK.c.previous_until))).scalar_one()
            assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(hours=24)
            await connection.execute(sa.update(WEBHOOK).values(previous_until=datetime.now(UTC)))
        await a_job(app, "Another")
        _, later = await receiver.count(2)
        later.verified(new)
        with pytest.raises(WebhookVerificationError):
            later.verified(made.secret)


class TestTesting:
    """testWebhook."""

    async def test_a_sample_is_sent(self, app: App, receiver: Receiver) -> None:
        """Of the newest job, marked as a test; it is in the delivery log, and in no job's."""
        job = await a_job(app, "A kite")
        made = await hook(app, receiver.url, "SCENE_COMPLETED")
        payload = await webhook_calls.mutate(app, "testWebhook", made.id, f"delivery {{ {webhook_calls.DELIVERY} }}")
        sent = payload["delivery"]
        assert (sent["eventType"], sent["version"], sent["jobId"]) == ("SCENE_COMPLETED", 0, job.id)
        (received,) = await receiver.count(1)
        said = received.verified(made.secret)
        assert (received.id, said["type"], said["data"]["test"]) == (sent["id"], "scene.completed", True)
        assert (said["data"]["scene"]["id"], said["data"]["job"]["id"]) == (job.scenes[0], job.id)
        delivery = await until_delivery(app, sent["id"], "SUCCEEDED")
        assert await webhook_calls.deliveries(app, made.id) == [delivery]
        assert [each["type"] for each in await events(app, job.id)] == ["JOB_CREATED"]

    async def test_without_a_job(self, app: App, receiver: Receiver) -> None:
        """There is no job in it."""
        made = await hook(app, receiver.url, "JOB_CREATED")
        await webhook_calls.mutate(app, "testWebhook", made.id, "delivery { id }")
        (received,) = await receiver.count(1)
        assert (received.data["job"], received.data["test"]) == (None, True)

    async def test_it_is_tried_once_and_says_nothing_about_the_webhook(self, app: App, receiver: Receiver) -> None:
        """Not even 410 switches it off; a webhook that is switched off can be tested too."""
        receiver.answer = status(410)
        made = await hook(app, receiver.url, "JOB_CREATED")
        for active in (True, False):
            await webhook_calls.mutate(app, "updateWebhook", made.id, "webhook { id }", active=active)
            sent = (await webhook_calls.mutate(app, "testWebhook", made.id, "delivery { id }"))["delivery"]
            delivery = await until_delivery(app, sent["id"], "EXHAUSTED")
            assert [each["responseStatus"] for each in delivery["attempts"]] == [410]
            assert (await webhook(app, made.id))["active"] == active

    async def test_one_that_waits_is_not_doubled(self, app: App, receiver: Receiver) -> None:
        """Somebody who is impatient gets the same answer."""
        receiver.answer = hang
        made = await hook(app, receiver.url, "JOB_CREATED")
        sent = [
            (await webhook_calls.mutate(app, "testWebhook", made.id, "delivery { id }"))["delivery"] for _ in range(3)
        ]
        assert len({each["id"] for each in sent}) == 1


async def test_a_redelivery_is_the_same_again(app: App, receiver: Receiver) -> None:
    """Of one that succeeded as of one that was given up: the same id, the same body, another try in the log."""
    made = await hook(app, receiver.url, "JOB_CREATED")
    await a_job(app, "A kite")
    (delivery,) = await until_over(app, made.id)
    again = await webhook_calls.redeliver(app, delivery["id"])
    assert again["errors"] == []
    assert (again["delivery"]["id"], again["delivery"]["status"]) == (delivery["id"], "PENDING")
    received = await receiver.count(2)
    assert received[0].body == received[1].body
    assert received[0].id == received[1].id
    await until_delivery(app, delivery["id"], "SUCCEEDED", tries=2)


async def test_old_deliveries_are_forgotten(app: App, receiver: Receiver) -> None:
    """A month after they are over; what still waits stays, unless its webhook is switched off."""
    made = await hook(app, receiver.url, "JOB_CREATED")
    await a_job(app, "A kite")
    (over,) = await until_over(app, made.id)
    receiver.answer = LATER
    await a_job(app, "Another")
    waiting, _ = await webhook_calls.deliveries(app, made.id)
    await until_delivery(app, waiting["id"], "FAILED")
    assert await deliveries.prune(app.container.store) == 0
    month: Json = {"created_at": datetime.now(UTC) - deliveries.KEPT - timedelta(days=1)}
    async with app.container.store.write() as connection:
        await connection.execute(sa.update(WEBHOOK_DELIVERY).values(month))
        done = WEBHOOK_DELIVERY.c.finished_at.is_not(None)
        await connection.execute(sa.update(WEBHOOK_DELIVERY).where(done).values(finished_at=month["created_at"]))
    assert await deliveries.prune(app.container.store) == 1
    assert [each["id"] for each in await webhook_calls.deliveries(app, made.id)] == [waiting["id"]] != [over["id"]]
    await webhook_calls.mutate(app, "updateWebhook", made.id, "webhook { id }", active=False)
    assert await deliveries.prune(app.container.store) == 1


async def test_a_refused_change_tells_nothing(app: App, receiver: Receiver) -> None:
    """And neither does one that changes nothing."""
    made = await hook(app, receiver.url, "JOB_CREATED", "JOB_UPDATED")
    job = await a_job(app, "A kite", title="A day")
    await jobs.retitle(app, job.id, "A day")
    await app.mutate("updateJob", "errors { code }", jobId=job.id, title="Stale", expectedVersion=9)
    assert len(await until_over(app, made.id)) == 1
    assert json.loads(receiver.received[0].body)["data"]["version"] == 1


async def test_the_example_of_the_documentation_verifies_it(
    app: App, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands there: the real one is taken, once; what was tampered with is not."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "webhooks.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 # it is ours
    made = await hook(app, receiver.url, "JOB_CREATED")
    job = await a_job(app, "A kite")
    (received,) = await receiver.count(1)
    seen: set[str] = set()
    answers = [names["receive"](received.body, received.headers, made.secret, seen) for _ in range(2)]
    answers.append(names["receive"](received.body + b" ", received.headers, made.secret, seen))
    assert answers == [204, 204, 401]
    assert capsys.readouterr().out == f"job.created {job.id}\n"


async def test_the_documentation_names_what_is_sent(app: App, receiver: Receiver) -> None:
    """The fields of the body, in this order."""
    (shown,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "webhooks.md").read_text(), re.DOTALL)
    await hook(app, receiver.url, "SCENE_STARTED")
    _, scene_id = await a_scene(app)
    await report(app, scene_id, "PROCESSING")
    (received,) = await receiver.count(1)
    named = json.loads(shown.replace("{…}", "{}"))
    assert list(named) == list(received.payload)
    assert list(named["data"]) == list(received.data)


async def test_a_webhook_that_is_deleted_meanwhile_lets_no_change_fail(app: App) -> None:
    """Nor keeps one waiting."""
    created = [await a_job(app, "A kite") for _ in range(4)]
    for number in range(10):
        made = await hook(app, "http://127.0.0.1:9/", "JOB_UPDATED")
        changes = [jobs.retitle(app, job.id, f"Title {number}") for job in created]
        gone = webhook_calls.mutate(app, "deleteWebhook", made.id, "deletedWebhookId")
        await asyncio.gather(*changes[:2], gone, *changes[2:])
    assert await app.execute("{ webhooks { id } }") == {"webhooks": []}
