"""Clips from Replicate, end to end: the real server against both fakes of the Replicate API."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import sqlalchemy as sa

from models.db.tables import SCENE, TAKE
from tests.support import jobs
from tests.support.client import Client
from tests.support.replicate import CALLBACKS, OURS, STRANGE, FakeReplicate
from tests.support.replicate_jobs import SCENE_FIELDS, only_scene, started
from tests.support.replicate_state import SECRET, TOKEN
from tests.support.server_app import App, running
from tests.support.server_process import ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.parametrize("fake_process", [OURS, STRANGE], indirect=True, ids=["ours", "strange"])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, fake_process: FakeReplicate) -> Generator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("server"), **fake_process.settings())
    server.start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def server(shared: ServerProcess, fake: FakeReplicate) -> ServerProcess:
    """Return a server process that orders from the fake; a test that kills it must start it again."""
    assert fake.counts() == {}
    return shared


@pytest.fixture
async def slow_polling(tmp_path: Path, fake: FakeReplicate) -> AsyncGenerator[App]:
    """Run a server that polls once a minute, so that only callbacks advance its renders."""
    async with running(tmp_path, **fake.settings(poll_seconds=60.0)) as app:
        fake.behave(hosts={CALLBACKS: app.url}, hold=True)
        yield app


async def test_replicate_scene_gets_a_clip_with_poster_and_preview(fake: FakeReplicate, server: ServerProcess) -> None:
    """Ordered once and stored as media of the server; token, secret and output URLs are in no log."""
    client = Client(server.url)
    job = await started(client)
    assert await jobs.settled(client, job.id) == "COMPLETED"
    scene = await only_scene(client, job)
    prediction = fake.predictions()[0]
    media = {name: scene.pop(name) for name in ("output", "poster", "preview")}
    served = {name: await client.http.get(file.pop("url")) for name, file in media.items()}
    assert scene == {"status": "COMPLETED", "providerId": prediction["id"], "failure": None}
    assert media == {
        "output": {"contentType": "video/mp4", "width": 64, "height": 36, "durationSeconds": 1.0},
        "poster": {"contentType": "image/webp"},
        "preview": {"contentType": "image/webp"},
    }
    assert {name: (answer.status_code, answer.headers["content-type"]) for name, answer in served.items()} == {
        "output": (200, "video/mp4"),
        "poster": (200, "image/webp"),
        "preview": (200, "image/webp"),
    }
    token = {"authorization": f"Bearer {TOKEN}"}
    assert served["output"].content == (await client.http.get(prediction["output"], headers=token)).content
    assert fake.counts()["creations"] == 1
    await client.close()
    log = server.log.read_text()
    assert [
        secret for secret in (TOKEN, SECRET, SECRET.removeprefix("whsec_"), "/files/", "/pbxt/") if secret in log
    ] == []


async def test_killed_server_resumes_its_prediction(fake: FakeReplicate, server: ServerProcess) -> None:
    """SIGKILL during a prediction: the next process follows the same prediction to completion."""
    fake.behave(hold=True)
    client = Client(server.url)
    job = await started(client)
    await fake.until(looks=3)
    server.kill()
    fake.command("release")
    server.start()
    assert await jobs.settled(client, job.id) == "COMPLETED"
    assert (await only_scene(client, job))["providerId"] == fake.predictions()[0]["id"]
    assert fake.counts()["creations"] == 1
    await client.close()


async def test_server_killed_before_it_stored_the_prediction_id_finds_the_prediction(
    fake: FakeReplicate, server: ServerProcess
) -> None:
    """SIGKILL between the order and the commit of its id: the prediction is looked up before another is ordered."""
    fake.fault("create", "lose", seconds=30)
    client = Client(server.url)
    job = await started(client)
    await fake.until(creations=1)
    server.kill()
    server.start()
    assert await jobs.settled(client, job.id) == "COMPLETED"
    assert (await only_scene(client, job))["providerId"] == fake.predictions()[0]["id"]
    assert fake.counts()["creations"] == 1
    await client.close()


async def test_output_that_expired_while_the_server_was_down_fails_the_scene(
    fake: FakeReplicate, server: ServerProcess
) -> None:
    """Replicate deletes outputs after an hour; only an explicit regenerate orders the clip again."""
    fake.behave(hold=True)
    client = Client(server.url)
    job = await started(client)
    await fake.until(looks=1)
    server.kill()
    fake.command("release")
    fake.command("expire")
    server.start()
    assert await jobs.settled(client, job.id) == "FAILED"
    assert (await only_scene(client, job))["failure"] == {"code": "OUTPUT_EXPIRED", "retryable": False}
    assert fake.counts()["creations"] == 1
    fake.behave(hold=False)
    await jobs.change(client, "regenerateScene", sceneId=job.scenes[0])
    assert await jobs.settled(client, job.id) == "COMPLETED"
    assert fake.counts()["creations"] == 2
    await client.close()


async def test_canceled_scene_cancels_its_prediction(fake: FakeReplicate, slow_polling: App) -> None:
    """It causes no further cost."""
    job = await started(slow_polling)
    await fake.until(looks=1)
    await jobs.change(slow_polling, "cancelScene", sceneId=job.scenes[0])
    await fake.until(canceled=1)
    assert fake.predictions()[0]["status"] == "canceled"
    assert (await only_scene(slow_polling, job))["status"] == "CANCELED"


async def test_scene_canceled_while_its_prediction_is_created_cancels_the_prediction(
    fake: FakeReplicate, slow_polling: App
) -> None:
    """The id of the prediction arrives after the cancel, and is then used to cancel it."""
    fake.fault("create", "delay", seconds=1.5)
    job = await started(slow_polling)
    await fake.until(creations=1)
    await jobs.change(slow_polling, "cancelScene", sceneId=job.scenes[0])
    await fake.until(canceled=1)
    assert [each["status"] for each in fake.predictions()] == ["canceled"]


@pytest.mark.parametrize("reached", [{"looks": 2}, {"creations": 1}], ids=["followed", "created"])
async def test_fenced_render_does_not_cancel_its_prediction(
    fake: FakeReplicate, tmp_path: Path, reached: dict[str, int]
) -> None:
    """A worker that lost its lease stops; the prediction goes on for the worker that took over, and has found it."""
    fake.behave(hold=True)
    fake.fault("create", "delay", seconds=0.3)
    async with running(tmp_path, **fake.settings()) as app:
        job = await started(app)
        await fake.until(**reached)
        renders = {task for task in asyncio.all_tasks() if task.get_name() == f"render {job.scenes[0]}"}
        assert len(renders) == 1
        async with app.container.store.write() as connection:
            taken = sa.update(SCENE).where(SCENE.c.id == job.scenes[0]).values(run=SCENE.c.run + 1)
            await connection.execute(taken)
            found = sa.update(TAKE).where(TAKE.c.scene_id == job.scenes[0])
            await connection.execute(found.values(provider_id=fake.predictions()[0]["id"]))
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await asyncio.wait(renders)
    assert "cancel" not in fake.counts()
    assert [each["status"] for each in fake.predictions()] in (["starting"], ["processing"])


async def test_replicate_callback_advances_the_render_at_once(fake: FakeReplicate, slow_polling: App) -> None:
    """Replicate reports start and end; polling would take a minute each."""
    job = await started(slow_polling)
    await fake.until(looks=1)
    fake.command("release")
    assert await jobs.settled(slow_polling, job.id) == "COMPLETED"
    await fake.until(deliveries=2)
    assert fake.command("state")["deliveries"] == [204, 204]


async def test_late_repeated_and_reordered_callbacks_change_nothing(fake: FakeReplicate, slow_polling: App) -> None:
    """A callback only wakes the render, which reads the prediction itself; after the end there is no render to wake."""
    job = await started(slow_polling)
    await fake.until(looks=1)
    answers = [await fake.send(fields={"status": "succeeded", "output": "https://replicate.delivery/other.mp4"})] * 2
    assert (await only_scene(slow_polling, job))["status"] == "PROCESSING"
    answers.append(await fake.send(fields={"status": "canceled"}))
    fake.command("release")
    assert await jobs.settled(slow_polling, job.id) == "COMPLETED"
    await jobs.at_rest(slow_polling, job.id)
    before = await jobs.job(slow_polling, job.id, f"version {SCENE_FIELDS}")
    answers += [await fake.send(fields={"status": status}) for status in ("processing", "starting", "failed")]
    answers.append(await fake.send(fields={"id": "unknown"}))
    assert answers == [204] * 7
    assert await jobs.job(slow_polling, job.id, f"version {SCENE_FIELDS}") == before
    assert fake.counts()["creations"] == 1


async def test_forged_callbacks_wake_no_render(fake: FakeReplicate, slow_polling: App) -> None:
    """Unsigned, signed with another key, too old, from the future, too large, or not about a prediction."""
    job = await started(slow_polling)
    await fake.until(looks=2, deliveries=1)
    fake.command("release")
    # The callback that the fake sends at the end settles the job.
    assert await jobs.settled(slow_polling, job.id) == "COMPLETED"
    fake.behave(hold=True)
    await started(slow_polling)
    await fake.until(creations=2)
    looks = fake.counts()["get"]
    assert await fake.send(secret="") == 401
    assert await fake.send(secret="whsec_" + "A" * 32) == 401
    assert await fake.send(age_seconds=600.0) == 401
    assert await fake.send(age_seconds=-600.0) == 401
    assert await fake.send(body="x" * 2_000_000) == 413
    assert [await fake.send(body=body) for body in ("{}", "[", "[]", '{"id": 1}', "[" * 100_000)] == [400] * 5
    assert fake.counts()["get"] - looks <= 2
    address = f"{slow_polling.url}/callbacks/replicate/take_1"
    assert (await slow_polling.http.get(address)).status_code == 405


async def test_callback_endpoint_is_absent_without_a_secret(fake: FakeReplicate, tmp_path: Path) -> None:
    """Callbacks cannot be verified then; polling alone completes the render."""
    async with running(tmp_path, **fake.settings(secret="")) as app:
        fake.behave(hosts={CALLBACKS: app.url})
        assert (await app.http.post("/callbacks/replicate/take_1", json={"id": "a"})).status_code == 404
        assert await jobs.settled(app, (await started(app)).id) == "COMPLETED"
