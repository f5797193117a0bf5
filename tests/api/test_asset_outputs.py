"""Clips that workers outside the server have uploaded as assets are copied, looked at, kept and joined."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from coordinator.assets import purge
from coordinator.storage.media import MediaStore
from models.db.asset_tables import ASSET
from models.db.clock import now
from tests.support import jobs, purges
from tests.support.adopting import SCENE, a_started_job, settled_scene
from tests.support.assembled_video import wait_for_video
from tests.support.asset_files import File, a_ready_asset, act, an_asset, picture
from tests.support.client import Json
from tests.support.factories import NO_ASSET, accepted, report
from tests.support.inspected import served
from tests.support.queries import changes, read_scene
from tests.support.rest_calls import data, error, place
from tests.support.server_app import App, running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases, pytest.mark.thorough_on_postgres]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server of the file."""
    async with running(tmp_path_factory.mktemp("asset_outputs")) as app:
        yield app


class Held:
    """Holds the renders back that read files with this content, until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
        self.reading = asyncio.Event()
        self.opened = asyncio.Event()
        original = MediaStore.fetch

        async def fetch(media: MediaStore, key: str, target: Path, *limits: Any) -> Path:
            path = await original(media, key, target, *limits)
            if path.read_bytes() == content:
                self.reading.set()
                await self.opened.wait()
            return path

        monkeypatch.setattr(MediaStore, "fetch", fetch)


def as_file(clip: bytes) -> File:
    """Return the clip as it is announced."""
    return File(clip, "VIDEO", "video/mp4")


async def hand_in(app: App, scene_id: str, asset_id: str, **fields: Any) -> None:
    """Report that an asset is the clip."""
    await accepted(app, "updateScene", sceneId=scene_id, status="COMPLETED", outputAssetId=asset_id, **fields)


async def refusals(app: App, scene_id: str, fields: Json) -> list[tuple[str, Sequence[str]]]:
    """Return codes and paths of the errors of a report."""
    payload = await app.mutate("updateScene", "errors { code path }", sceneId=scene_id, **fields)
    return [(each["code"], each["path"]) for each in payload["errors"]]


async def remove(app: App, asset_id: str) -> None:
    """Delete an asset, and its file, for good."""
    assert (await act(app, "deleteAsset", asset_id))["errors"] == []
    async with app.container.store.write() as connection:
        await connection.execute(sa.update(ASSET).where(ASSET.c.id == asset_id).values(purge_after=now()))
    await purge.purge(app.container.store)
    await purges.run(app)


class TestAdoption:
    """Clips that can be shown."""

    @pytest.mark.sqlite_alone
    async def test_clip_outlives_its_asset(self, app: App, clip: bytes) -> None:
        """It is a file of the take, with pictures, and joined; an address that was reported before gives way."""
        asset = await a_ready_asset(app, as_file(clip))
        made = await a_started_job(app, 2)
        await report(app, made.scenes[0], "PROCESSING", providerId="p0", outputUrl="https://clips.test/draft.mp4")
        await hand_in(app, made.scenes[0], asset["id"], takeNumber=1, adoptOutput=True)
        await hand_in(app, made.scenes[1], asset["id"])
        job = await wait_for_video(app, made.id)
        assert (job["status"], job["outputFailure"]) == ("COMPLETED", None)
        assert (await served(app, asset["media"])).content == clip
        await remove(app, asset["id"])
        assert (await app.http.get(asset["media"]["url"].partition("test")[2])).status_code == 404
        for scene_id in made.scenes:
            scene = await read_scene(app, scene_id, SCENE)
            assert (scene["status"], scene["percentage"], scene["attempts"]) == ("COMPLETED", 100, 1)
            assert (await served(app, scene["output"])).content == clip
            for name in ("poster", "preview"):
                assert (await served(app, scene[name])).headers["content-type"] == "image/webp"

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize("way", ["batch", "rest"])
    async def test_asset_is_named_by_any_report(self, app: App, clip: bytes, way: str) -> None:
        """In a batch and in REST, which refuses an unknown one like GraphQL."""
        asset = await a_ready_asset(app, as_file(clip))
        made = await a_started_job(app)
        if way == "batch":
            item = {"sceneId": made.scenes[0], "status": "COMPLETED", "outputAssetId": asset["id"]}
            await accepted(app, "updateScenes", "results { errors { code } }", jobId=made.id, scenes=[item])
        else:
            status, refused = await error(app, "PUT", *place(made), status="completed", output_asset_id=NO_ASSET)
            assert (status, refused["details"][0]["path"]) == (404, ["output_asset_id"])
            answer = await data(app, "PUT", *place(made), status="completed", output_asset_id=asset["id"])
            assert answer["status"] == "processing"
        scene = await settled_scene(app, made)
        assert (scene["status"], scene["attempts"]) == ("COMPLETED", 1)
        assert (await served(app, scene["output"])).content == clip

    @pytest.mark.sqlite_alone
    async def test_asset_is_in_use_until_its_clip_is_kept(
        self, app: App, clip: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Repeated reports change nothing, before and after; another clip is refused."""
        asset, other = [await a_ready_asset(app, as_file(clip)) for _ in "12"]
        held = Held(monkeypatch, clip)
        made = await a_started_job(app)
        await hand_in(app, made.scenes[0], asset["id"])
        await held.reading.wait()
        kept = await read_scene(app, made.scenes[0], SCENE)
        assert (kept["status"], kept["percentage"], kept["output"]) == ("PROCESSING", 99, None)
        version = await jobs.job(app, made.id, "version")
        assert [each["code"] for each in (await act(app, "deleteAsset", asset["id"]))["errors"]] == ["ASSET_IN_USE"]
        await hand_in(app, made.scenes[0], asset["id"])
        await report(app, made.scenes[0], "COMPLETED")
        for name, value in (("outputAssetId", other["id"]), ("outputUrl", "https://clips.test/1.mp4")):
            refused = await refusals(app, made.scenes[0], {"status": "COMPLETED", name: value})
            assert refused == [("VALIDATION_FAILED", ["input", name])]
        assert await read_scene(app, made.scenes[0], SCENE) == kept
        assert await jobs.job(app, made.id, "version") == version
        held.opened.set()
        assert (await settled_scene(app, made))["status"] == "COMPLETED"
        done = await jobs.at_rest(app, made.id)
        assert (await act(app, "deleteAsset", asset["id"]))["errors"] == []
        await hand_in(app, made.scenes[0], asset["id"])
        assert await jobs.job(app, made.id, "version") == {"version": done}
        refused = await refusals(app, made.scenes[0], {"status": "COMPLETED", "outputAssetId": other["id"]})
        assert refused == [("VALIDATION_FAILED", ["input", "outputAssetId"])]

    async def test_interrupted_adoption_goes_on_after_a_restart(
        self, tmp_path: Path, clip: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The server stopped while it read the file: the same take completes, once."""
        held = Held(monkeypatch, clip)
        async with running(tmp_path) as app:
            held.opened.set()
            asset = await a_ready_asset(app, as_file(clip))
            held.opened.clear()
            held.reading.clear()
            made = await a_started_job(app)
            await hand_in(app, made.scenes[0], asset["id"])
            await held.reading.wait()
        held.opened.set()
        async with running(tmp_path) as app:
            scene = await settled_scene(app, made)
            log = await changes(app, made.id, 0)
        assert (scene["status"], scene["attempts"], len(scene["takes"])) == ("COMPLETED", 1, 1)
        assert [kind for kind, _ in log].count("SCENE_COMPLETED") == 1

    @pytest.mark.sqlite_alone
    async def test_asset_whose_file_is_gone_fails_the_take(
        self, app: App, clip: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Once: another attempt would make the worker render again. The asset can be deleted then."""
        asset = await a_ready_asset(app, as_file(clip))

        async def gone(_media: MediaStore, key: str, *_more: Any) -> Path:
            raise FileNotFoundError(key)

        monkeypatch.setattr(MediaStore, "fetch", gone)
        made = await a_started_job(app)
        await hand_in(app, made.scenes[0], asset["id"])
        scene = await settled_scene(app, made)
        assert (scene["status"], scene["failure"]["code"], scene["attempts"]) == ("FAILED", "OUTPUT_UNAVAILABLE", 1)
        assert (await act(app, "deleteAsset", asset["id"]))["errors"] == []


class TestRefusals:
    """Reports that cannot be followed; nothing changes."""

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({"outputUrl": "https://clips.test/1.mp4"}, "outputAssetId"),
            ({"adoptOutput": False}, "adoptOutput"),
            ({"status": "PROCESSING"}, "outputAssetId"),
            ({"status": "FAILED", "adoptOutput": True}, "outputAssetId"),
        ],
    )
    async def test_report_that_does_not_fit_is_refused(self, app: App, clip: bytes, fields: Json, name: str) -> None:
        """The other fields contradict the asset."""
        asset = await a_ready_asset(app, as_file(clip))
        made = await a_started_job(app)
        given = {"status": "COMPLETED", "outputAssetId": asset["id"]} | fields
        assert await refusals(app, made.scenes[0], given) == [("VALIDATION_FAILED", ["input", name])]
        assert await jobs.job(app, made.id, "version") == {"version": made.version}

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize("kind", ["picture", "waiting", "deleted", "unknown"])
    async def test_asset_that_is_no_clip_is_refused(self, app: App, clip: bytes, kind: str) -> None:
        """Only a READY video is one."""
        match kind:
            case "picture":
                asset_id = (await a_ready_asset(app, picture()))["id"]
            case "waiting":
                asset_id = (await an_asset(app, as_file(clip))).id
            case "deleted":
                asset_id = (await a_ready_asset(app, as_file(clip)))["id"]
                await act(app, "deleteAsset", asset_id)
            case _:
                asset_id = NO_ASSET
        made = await a_started_job(app)
        code = "NOT_FOUND" if kind == "unknown" else "VALIDATION_FAILED"
        given = {"status": "COMPLETED", "outputAssetId": asset_id}
        assert await refusals(app, made.scenes[0], given) == [(code, ["input", "outputAssetId"])]
        assert await jobs.job(app, made.id, "version") == {"version": made.version}

    @pytest.mark.sqlite_alone
    async def test_clip_of_our_own_render_is_refused(self, app: App, clip: bytes) -> None:
        """Our own workers store their clips anyway."""
        asset = await a_ready_asset(app, as_file(clip))
        made = await jobs.make(app)
        given = {"status": "COMPLETED", "outputAssetId": asset["id"]}
        assert await refusals(app, made.scenes[0], given) == [("VALIDATION_FAILED", ["input", "outputAssetId"])]
