"""Webhook deliveries: which events are sent, and the body, headers and signature of a delivery."""

import json
import re
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from standardwebhooks import WebhookVerificationError

from coordinator.storage import retention
from coordinator.storage.retention import Retention
from models.db.tables import WEBHOOK
from tests.support import jobs, webhook_calls
from tests.support.client import Json
from tests.support.factories import a_job, a_scene, accepted, report
from tests.support.rest_calls import data, place
from tests.support.server_app import App, running
from tests.support.server_process import ROOT
from tests.support.webhook_calls import LIFE, hook, until_over
from tests.support.webhook_receiver import Receiver, hang, receiving, status


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A server with a short first backoff."""
    async with running(tmp_path, webhook_retry_first_seconds=0.02) as app:
        yield app


async def events(app: App, job_id: str) -> list[Json]:
    """Return the event log of a job."""
    return (await jobs.job(app, job_id, "events { version type changed occurredAt }"))["events"]


async def test_delivery_of_scene_event_has_the_scene_and_job_of_rest(app: App, receiver: Receiver) -> None:
    """Type, timestamp and data, metadata included; the body is signed."""
    created = await hook(app, receiver.url, "SCENE_COMPLETED")
    job = await a_job(app, "A kite", metadata={"order": 7})
    await accepted(app, "updateScene", sceneId=job.scenes[0], metadata={"shot": [1, 2]})
    await report(app, job.scenes[0], "PROCESSING", "COMPLETED", outputUrl="https://clips.example/1.mp4")
    (received,) = await receiver.count(1)
    payload = received.verified(created.secret)
    (event,) = [each for each in await events(app, job.id) if each["type"] == "SCENE_COMPLETED"]
    scene = await data(app, "GET", *place(job))
    progress = (await app.http.get(f"/api/v3/jobs/{job.id}/scenes")).json()["progress"]
    sent_job = payload["data"].pop("job")
    assert payload == {
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


async def test_job_of_a_delivery_has_the_values_of_the_graphql_job(app: App, receiver: Receiver) -> None:
    """Each of its fields, with all instants of a finished job."""
    await hook(app, receiver.url, "JOB_SETTLED")
    settings = {"model": "ours/any", "resolution": "P720", "seed": 7}
    job = await a_job(app, "A kite", title="Sky", settings=settings)
    await report(app, job.scenes[0], "PROCESSING", "COMPLETED", outputUrl="https://clips.example/1.mp4")
    (received,) = await receiver.count(1)
    sent = received.data["job"]
    selection = "id title provider metadata version createdAt updatedAt startedAt finishedAt deletedAt"
    expected = await jobs.job(app, job.id, selection)
    assert expected["finishedAt"] is not None
    compared = {
        re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name): value for name, value in expected.items()
    }
    assert {name: sent[name] for name in compared} == compared
    assert set(sent) == {*compared, "status", "progress", "video_url", "settings"}
    # Only those that were given, in the words of REST.
    assert sent["settings"] == settings | {"resolution": "p720"}


async def test_delivery_of_job_event_has_no_scene(app: App, receiver: Receiver) -> None:
    """Its scene_id is null, and the field `scene` is absent."""
    await hook(app, receiver.url, "JOB_CREATED")
    await a_job(app, "A kite")
    (received,) = await receiver.count(1)
    assert received.payload["type"] == "job.created"
    assert "scene" not in received.data
    assert (received.data["scene_id"], received.data["job"]["status"]) == (None, "pending")


async def test_delivery_of_rendered_scene_has_the_url_of_its_clip(app: App, receiver: Receiver) -> None:
    """A clip in the media storage is a URL of this server; the event of a worker has no actor."""
    await hook(app, receiver.url, "SCENE_COMPLETED")
    await jobs.make(app, jobs.scene(), start=True)
    (received,) = await receiver.count(1)
    assert received.data["scene"]["video_url"].startswith("http://scenewire.test/media/job_")
    assert received.data["actor_id"] is None


async def test_delivery_has_these_headers_only(app: App, receiver: Receiver) -> None:
    """Id, timestamp of the attempt, signature and trace; no cookie, no token, nothing else of this server."""
    created = await hook(app, receiver.url, "JOB_CREATED")
    await a_job(app, "A kite")
    (received,) = await receiver.count(1)
    (delivery,) = await until_over(app, created.id)
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
        "traceparent",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }


async def test_webhook_receives_the_events_that_it_subscribed_to(app: App) -> None:
    """By type of event, and by job."""
    async with receiving() as all_events, receiving() as one_type, receiving() as one_job:
        job = await a_job(app, "A kite")
        hooks = [await hook(app, all_events.url), await hook(app, one_type.url, "SCENE_COMPLETED")]
        hooks.append(await hook(app, one_job.url, jobId=job.id))
        for scene in (*job.scenes, (await a_scene(app))[1]):
            await report(app, scene, "PROCESSING", "COMPLETED")
        for each in hooks:
            await until_over(app, each.id)
        assert len(all_events.received) == len(LIFE) * 2 - 1
        assert webhook_calls.types(one_type.received) == ["scene.completed"] * 2
        assert {each.data["job_id"] for each in one_job.received} == {job.id}
        assert webhook_calls.types(one_job.received) == [
            "job.started",
            "scene.started",
            "scene.completed",
            "job.settled",
        ]


@pytest.mark.usefixtures("endless_attempts")
async def test_delivery_is_the_same_after_its_event_was_pruned(app: App, receiver: Receiver) -> None:
    """The event log is pruned while the receiver is unavailable; the pending deliveries are complete."""
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


async def test_no_delivery_is_made_for_a_refused_or_empty_change_of_a_job(app: App, receiver: Receiver) -> None:
    """Neither a stale version nor a title that is the same already makes an event."""
    created = await hook(app, receiver.url, "JOB_CREATED", "JOB_UPDATED")
    job = await a_job(app, "A kite", title="A day")
    await jobs.retitle(app, job.id, "A day")
    await app.mutate("updateJob", "errors { code }", jobId=job.id, title="Stale", expectedVersion=9)
    assert len(await until_over(app, created.id)) == 1
    assert json.loads(receiver.received[0].body)["data"]["version"] == 1


async def test_rotated_webhook_secrets_both_sign_for_a_day(app: App, receiver: Receiver) -> None:
    """Afterwards the new one alone."""
    created = await hook(app, receiver.url, "JOB_CREATED")
    new = (await webhook_calls.mutate(app, "rotateWebhookSecret", created.id, "webhook { id } secret"))["secret"]
    assert new != created.secret
    await a_job(app, "A kite")
    (received,) = await receiver.count(1)
    assert len(received.headers["webhook-signature"].split(" ")) == 2
    assert received.verified(created.secret) == received.verified(new)
    async with app.container.store.write() as connection:
        until = (await connection.execute(sa.select(WEBHOOK.c.previous_until))).scalar_one()
        assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(hours=24)
        await connection.execute(sa.update(WEBHOOK).values(previous_until=datetime.now(UTC)))
    await a_job(app, "Another")
    _, later = await receiver.count(2)
    later.verified(new)
    with pytest.raises(WebhookVerificationError):
        later.verified(created.secret)


async def test_documented_receiver_verifies_a_delivery(
    app: App, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example of docs/webhooks.md accepts the real message, once, and refuses a changed one."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "webhooks.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 # our own documentation
    created = await hook(app, receiver.url, "JOB_CREATED")
    job = await a_job(app, "A kite")
    (received,) = await receiver.count(1)
    seen: set[str] = set()
    answers = [names["receive"](received.body, received.headers, created.secret, seen) for _ in range(2)]
    answers.append(names["receive"](received.body + b" ", received.headers, created.secret, seen))
    assert answers == [204, 204, 401]
    assert capsys.readouterr().out == f"job.created {job.id}\n"


async def test_documented_payload_has_the_fields_of_a_delivery(app: App, receiver: Receiver) -> None:
    """In the same order."""
    (shown,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "webhooks.md").read_text(), re.DOTALL)
    await hook(app, receiver.url, "SCENE_STARTED")
    _, scene_id = await a_scene(app)
    await report(app, scene_id, "PROCESSING")
    (received,) = await receiver.count(1)
    documented = json.loads(shown.replace("{…}", "{}"))
    assert list(documented) == list(received.payload)
    assert list(documented["data"]) == list(received.data)
