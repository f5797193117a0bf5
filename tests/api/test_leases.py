"""Workers outside the server lease takes, upload their clips, and lose what is no longer theirs."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from coordinator.leases import tokens
from coordinator.storage.keys import live_frame_key
from models.db.asset_tables import UPLOAD
from models.db.lease_tables import TAKE_LEASE
from tests.support import jobs
from tests.support.assembled_video import wait_for_video
from tests.support.client import Json
from tests.support.clip_host import clip_bytes
from tests.support.delivered_files import PLAIN
from tests.support.factories import accepted
from tests.support.inspected import served
from tests.support.leasing import ENDED, a_lease, a_leased_job, end_leases, finish, lost, upload
from tests.support.queries import FAILURE, MEDIA, changes, read_scene
from tests.support.server_app import App, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

SCENE = f"""status attempts percentage providerId failure {FAILURE} output {MEDIA} poster {MEDIA} preview {MEDIA}
takes {{ number status provider settings {{ seed model }} metrics worker {{ name }} }}"""
ALL_LOST = ["LEASE_LOST"] * 5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server of the file."""
    async with running(tmp_path_factory.mktemp("leases"), render_deadline_seconds=3_600.0) as app:
        yield app


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A clip of one second."""
    return clip_bytes(tmp_path_factory.mktemp("clip"), PLAIN)


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def empty_queue(app: App) -> AsyncGenerator[None]:
    """No test sees the takes of another."""
    yield
    document = "{ jobs(filter: {status: [PROCESSING]}) { nodes { id provider } } }"
    for job in (await app.execute(document))["jobs"]["nodes"]:
        await accepted(app, "cancelJob", jobId=job["id"])


async def _is_open(app: App, lease: Json) -> tuple[bool, bool]:
    """Return whether the lease has not ended, and whether its upload is still there."""
    async with app.container.store.read() as connection:
        of_token = TAKE_LEASE.select().where(TAKE_LEASE.c.token_hash == tokens.hash_of(lease["token"]))
        stored = (await connection.execute(of_token)).one()
        upload = (await connection.execute(UPLOAD.select().where(UPLOAD.c.id == stored.upload_id))).first()
    return stored.ended_at is None, upload is not None


class TestDelivery:
    """From the claim to the joined video."""

    async def test_delivered_clips_have_pictures_and_are_joined(self, app: App, clip: bytes) -> None:
        """As those of a provider of the server: looked at, kept, shown, joined. The lease ends with finishTake."""
        made = await a_leased_job(app, 2, settings={"seed": 7})
        for number, scene_id in enumerate(made.scenes):
            lease = await a_lease(app)
            assert (lease["scene"]["id"], lease["scene"]["status"]) == (scene_id, "PROCESSING")
            assert (lease["prompt"], lease["durationSeconds"], lease["settings"]["seed"]) == (f"Scene {number}", 1.0, 7)
            renewed = await accepted(
                app, "renewLease", ENDED, token=lease["token"], percentage=40, providerId=f"p{number}"
            )
            assert (renewed["lease"]["token"], renewed["scene"]["percentage"]) == (lease["token"], 40)
            payload = await finish(app, lease, clip, seed=number, metrics={"seconds": 3})
            assert payload["lease"] is None
            assert payload["scene"] in (
                {"id": scene_id, "status": "PROCESSING", "percentage": 99},
                {"id": scene_id, "status": "COMPLETED", "percentage": 100},
            )
        job = await wait_for_video(app, made.id)
        assert (job["status"], job["outputFailure"]) == ("COMPLETED", None)
        for number, scene_id in enumerate(made.scenes):
            scene = await read_scene(app, scene_id, SCENE)
            assert (scene["status"], scene["percentage"], scene["attempts"]) == ("COMPLETED", 100, 1)
            assert scene["providerId"] == f"p{number}"
            assert (await served(app, scene["output"])).content == clip
            for name in ("poster", "preview"):
                assert (await served(app, scene[name])).headers["content-type"] == "image/webp"
            (take,) = scene["takes"]
            assert take == {
                "number": 1,
                "status": "COMPLETED",
                "provider": "leased",
                "settings": {"seed": number, "model": None},
                "metrics": {"seconds": 3},
                "worker": {"name": "gpu"},
            }

    async def test_a_repeated_finish_changes_nothing(self, app: App, clip: bytes) -> None:
        """The answer may have been lost."""
        made = await a_leased_job(app)
        lease = await a_lease(app)
        await upload(app, lease, clip)
        # Also one that is sent again before the first is answered.
        calls = [accepted(app, "finishTake", ENDED, token=lease["token"]) for _ in range(4)]
        assert {payload["scene"]["id"] for payload in await asyncio.gather(*calls)} == {made.scenes[0]}
        await jobs.settled(app, made.id)
        version = await jobs.at_rest(app, made.id)
        payload = await accepted(app, "finishTake", ENDED, token=lease["token"])
        assert (payload["lease"], payload["scene"]["status"]) == (None, "COMPLETED")
        assert (await jobs.job(app, made.id, "version"))["version"] == version

    async def test_a_clip_that_cannot_be_shown_fails_its_take(self, app: App) -> None:
        """And is repeated, as the worker may do better. What was sent stays with the take."""
        made = await a_leased_job(app)
        await finish(app, await a_lease(app), b"no clip" * 100)
        await eventually(lambda: _has_takes(app, made.scenes[0], 2))
        takes = f"failure {FAILURE} takes {{ number status failure {FAILURE} original {{ sizeBytes }} }}"
        scene = await read_scene(app, made.scenes[0], takes)
        assert scene["takes"][1]["failure"]["code"] == "CLIP_UNREADABLE"
        assert scene["takes"][1]["original"] == {"sizeBytes": 700}

    async def test_a_take_cannot_be_finished_without_a_clip(self, app: App) -> None:
        """The lease goes on."""
        await a_leased_job(app)
        lease = await a_lease(app)
        payload = await app.mutate("finishTake", "scene { id } errors { code path }", token=lease["token"])
        assert payload == {"scene": None, "errors": [{"code": "VALIDATION_FAILED", "path": ["input", "token"]}]}
        await accepted(app, "renewLease", ENDED, token=lease["token"])

    async def test_frames_of_the_worker_are_shown(self, app: App) -> None:
        """The newest one is the preview of the running scene."""
        made = await a_leased_job(app)
        lease = await a_lease(app)
        frame = b"RIFF\x10\x00\x00\x00WEBPVP8 0000"
        encoded = base64.b64encode(frame).decode()
        await accepted(app, "renewLease", ENDED, token=lease["token"], frame=encoded)
        scene = await read_scene(app, made.scenes[0], f"preview {MEDIA}")
        assert (await served(app, scene["preview"])).content == frame

    async def test_a_lost_lease_stores_no_frame(self, app: App) -> None:
        """It would be shown as that of the next worker."""
        made = await a_leased_job(app)
        lease = await a_lease(app)
        await end_leases(app, *made.scenes)
        encoded = base64.b64encode(b"RIFF\x10\x00\x00\x00WEBPVP8 0000").decode()
        payload = await app.mutate("renewLease", "errors { code }", token=lease["token"], frame=encoded)
        assert payload["errors"] == [{"code": "LEASE_LOST"}]
        assert await app.container.coordinator.media.head(live_frame_key(lease["take"]["id"])) is None

    @pytest.mark.parametrize(
        ("name", "fields", "path"),
        [
            ("renewLease", {"percentage": 101}, ["input", "percentage"]),
            ("renewLease", {"leaseSeconds": 9}, ["input", "leaseSeconds"]),
            ("renewLease", {"frame": "???"}, ["input", "frame"]),
            ("renewLease", {"frame": "AAAA"}, ["input", "frame"]),
            ("renewLease", {"providerId": ""}, ["input", "providerId"]),
            ("finishTake", {"seed": -1}, ["input", "seed"]),
            ("finishTake", {"settings": {"aspectRatio": ""}}, ["input", "settings", "aspectRatio"]),
            ("failTake", {"failure": {"code": "", "message": "x"}}, ["input", "failure", "code"]),
            ("releaseTake", {"reason": "x" * 2_000}, ["input", "reason"]),
        ],
    )
    async def test_invalid_reports_change_nothing(self, app: App, name: str, fields: Json, path: list[str]) -> None:
        """Each names its field, and the lease goes on."""
        made = await a_leased_job(app)
        lease = await a_lease(app)
        version = (await jobs.job(app, made.id, "version"))["version"]
        payload = await app.mutate(name, "scene { id } errors { code path }", token=lease["token"], **fields)
        assert payload == {"scene": None, "errors": [{"code": "VALIDATION_FAILED", "path": path}]}
        assert (await jobs.job(app, made.id, "version"))["version"] == version


async def _has_takes(app: App, scene_id: str, number: int) -> bool:
    return len((await read_scene(app, scene_id, "takes { id }"))["takes"]) == number


class TestEnds:
    """Leases that end without a clip."""

    async def test_a_retryable_failure_is_followed_by_another_take(self, app: App) -> None:
        """After the pause; the failure is that of the worker."""
        made = await a_leased_job(app)
        lease = await a_lease(app)
        failure = {"code": "OUT_OF_MEMORY", "message": "The GPU has 8 GB.", "retryable": True}
        payload = await accepted(app, "failTake", ENDED, token=lease["token"], failure=failure)
        assert payload["scene"]["status"] == "PENDING"
        again = await a_lease(app, waitSeconds=30)
        assert (again["take"]["number"], again["scene"]["attempts"]) == (2, 2)
        await accepted(app, "failTake", ENDED, token=again["token"], failure={**failure, "retryable": False})
        scene = await read_scene(app, made.scenes[0], SCENE)
        assert (scene["status"], scene["failure"]) == ("FAILED", {**failure, "retryable": False})
        assert await lost(app, lease) == ALL_LOST

    async def test_a_released_take_uses_up_no_attempt(self, app: App) -> None:
        """It waits again before the later ones of its job, without the id of the worker that gave it back."""
        made = await a_leased_job(app, 3)
        lease = await a_lease(app)
        await accepted(app, "renewLease", ENDED, token=lease["token"], providerId="mine", percentage=30)
        payload = await accepted(app, "releaseTake", ENDED, token=lease["token"], reason="Shutting down")
        assert payload["scene"] == {"id": made.scenes[0], "status": "PENDING", "percentage": None}
        again = await a_lease(app, "another")
        assert (again["take"]["id"], again["take"]["providerId"]) == (lease["take"]["id"], None)
        assert again["scene"]["attempts"] == 1
        assert await lost(app, lease) == ALL_LOST

    @pytest.mark.parametrize("way", ["cancel", "cancel job", "regenerate", "delete", "report", "take-over", "expiry"])
    async def test_lost_leases_change_nothing(self, app: App, clip: bytes, way: str) -> None:
        """Every use is LEASE_LOST, the events are those of the loss, and what was uploaded is discarded."""
        made = await a_leased_job(app)
        (scene_id,), lease = made.scenes, await a_lease(app)
        await upload(app, lease, clip)
        match way:
            case "cancel job":
                await accepted(app, "cancelJob", jobId=made.id)
            case "report":
                await accepted(app, "updateScene", sceneId=scene_id, status="CANCELED")
            case "take-over" | "expiry":
                await end_leases(app, scene_id)
            case _:
                await accepted(app, "cancelScene", sceneId=scene_id)
        if way == "regenerate":
            await accepted(app, "regenerateScene", sceneId=scene_id)
        elif way == "delete":
            await accepted(app, "cancelJob", jobId=made.id)
            await accepted(app, "deleteScene", "deletedSceneId", sceneId=scene_id)
        elif way == "take-over":
            again = await a_lease(app, "another", waitSeconds=30)
            assert again["take"]["id"] == lease["take"]["id"]
        assert await lost(app, lease) == ALL_LOST

        async def discarded() -> bool:
            return await _is_open(app, lease) == (False, False)

        await eventually(discarded)
        assert await lost(app, lease) == ALL_LOST
        scene = await read_scene(app, scene_id, f"status output {MEDIA} takes {{ status output {MEDIA} }}")
        assert scene["output"] is None
        assert scene["status"] != "COMPLETED"

    async def test_a_lost_worker_uses_up_no_further_attempt(self, app: App, clip: bytes) -> None:
        """Another one goes on with the same take, and gets the id by which the first has begun it."""
        made = await a_leased_job(app)
        lease = await a_lease(app)
        await accepted(app, "renewLease", ENDED, token=lease["token"], providerId="begun", percentage=60)
        await end_leases(app, *made.scenes)
        again = await a_lease(app, "another", waitSeconds=30)
        assert again["take"] == {"id": lease["take"]["id"], "number": 1, "status": "PROCESSING", "providerId": "begun"}
        assert again["scene"]["attempts"] == 1
        await finish(app, again, clip)
        assert await jobs.settled(app, made.id) == "COMPLETED"
        kinds = [kind for kind, _ in await changes(app, made.id, made.version)]
        assert kinds.count("SCENE_COMPLETED") == 1

    async def test_updates_of_a_leased_take_are_refused(self, app: App, clip: bytes) -> None:
        """Its worker reports with its lease; edits go on, and a cancel."""
        made = await a_leased_job(app)
        lease = await a_lease(app)
        reports: list[dict[str, Any]] = [
            {"status": "COMPLETED", "outputUrl": "https://clips.test/kite.mp4"},
            {"percentage": 50},
            {"providerId": "mine"},
            {"status": "FAILED", "failure": {"code": "X", "message": "x"}},
        ]
        for fields in reports:
            payload = await app.mutate("updateScene", "errors { code }", sceneId=made.scenes[0], **fields)
            assert payload["errors"] == [{"code": "FORBIDDEN"}], fields
        scene = await read_scene(app, made.scenes[0], "allowedTransitions")
        assert scene == {"allowedTransitions": ["CANCELED"]}
        await accepted(app, "updateScene", sceneId=made.scenes[0], title="Kept")
        await finish(app, lease, clip)
        assert await jobs.settled(app, made.id) == "COMPLETED"


async def test_a_foreign_token_is_lost(app: App) -> None:
    """A text that is no token, and one of another length."""
    await a_leased_job(app)
    for token in ("", "lease_x", "x" * 10_000, "\u0000", "é"):
        payload = await app.mutate("releaseTake", "errors { code }", token=token)
        assert payload["errors"] == [{"code": "LEASE_LOST"}]
