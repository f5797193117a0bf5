"""Every clip is looked at before its take is completed: what cannot be shown fails, and its file is kept."""

from collections.abc import AsyncGenerator
from io import BytesIO
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from tests.support import purges
from tests.support.assembled_video import wait_for_video
from tests.support.client import Json
from tests.support.delivered_files import BAD, DeliveryProvider, delivery
from tests.support.factories import accepted
from tests.support.four_colours import BLUE, GREEN, RED, WHITE, quadrants
from tests.support.inspected import one, rendered, served
from tests.support.media_files import probe
from tests.support.odd_clips import KINDS
from tests.support.queries import changes
from tests.support.server_app import App, running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.thorough_on_postgres]

PLAYED = ("plain", "sound", "vp9", "vp8", "av1", "vp9 in mp4", "turned by 90", "wide pixels", "variable rate")
CONVERTED = ("quicktime", "matroska", "raw sound", "hevc", "prores", "ten bits", "all chroma", "mpeg4", "hevc pq")


@pytest.fixture(scope="module")
def provider() -> DeliveryProvider:
    """The provider of the server, whose deliveries cost money."""
    return DeliveryProvider()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the server."""
    return tmp_path_factory.mktemp("inspected")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, folder: Path, provider: DeliveryProvider) -> AsyncGenerator[App]:
    """A server whose provider delivers the files that a test names."""
    async with running(folder, {"scripted": provider}) as app:
        yield app


class TestUnusableClips:
    """Files that cannot be shown."""

    @pytest.mark.parametrize("file", BAD)
    async def test_unusable_clip_fails_its_take_and_is_kept(
        self, app: App, provider: DeliveryProvider, file: str
    ) -> None:
        """Not retried, since it is paid for. The file can be downloaded; browsers show nothing but clips."""
        scene = await one(app, file)
        (take,) = scene["takes"]
        assert (scene["status"], scene["attempts"], scene["output"], scene["poster"]) == ("FAILED", 1, None, None)
        assert (scene["failure"]["code"], scene["failure"]["retryable"]) == (BAD[file].code, False)
        assert (take["failure"], take["output"], take["preview"]) == (scene["failure"], None, None)
        answer = await served(app, take["original"])
        assert answer.content == provider.delivered[take["id"]]
        assert answer.headers["content-type"] == BAD[file].content_type
        assert answer.headers["x-content-type-options"] == "nosniff"
        saved = answer.headers.get("content-disposition")
        assert saved == ("attachment" if BAD[file].content_type == "application/octet-stream" else None)

    @pytest.mark.both_databases
    async def test_unusable_clip_that_costs_nothing_is_retried(self, tmp_path: Path) -> None:
        """As often as other failures of its provider; each take keeps its file."""
        provider = DeliveryProvider(repeatable=True)
        async with running(tmp_path, {"scripted": provider}, max_attempts=2, retry_first_seconds=0.01) as app:
            scene = await one(app, "page")
            assert (scene["status"], scene["attempts"], scene["failure"]["retryable"]) == ("FAILED", 2, True)
            kept = [(await served(app, take["original"])).content for take in scene["takes"]]
            assert kept == [provider.delivered[take["id"]] for take in scene["takes"]]
            assert len(kept) == 2

    @pytest.mark.both_databases
    async def test_file_of_an_unusable_clip_is_purged_with_its_job(self, app: App, folder: Path) -> None:
        """And nothing of it stays."""
        made, _ = await rendered(app, delivery("json"))
        assert [file.suffixes for file in (folder / "media" / made.id).rglob("*.*")] == [[".original", ".bin"]]
        await purges.delete(app, made.id)
        await purges.run(app)
        assert not (folder / "media" / made.id).exists()

    async def test_unusable_clip_that_cannot_be_kept_fails_with_the_same_reason(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The disk is full: the take has no original."""

        async def fails(*_: object) -> Json:
            raise OSError("no space")

        monkeypatch.setattr("coordinator.renders.take_files.STORE_TIMEOUT_SECONDS", 0.01)
        monkeypatch.setattr(app.container.media, "store", fails)
        scene = await one(app, "empty")
        assert (scene["failure"]["code"], scene["takes"][0]["original"]) == ("CLIP_UNREADABLE", None)


class TestCompletedTakes:
    """What a provider says about its clip counts for nothing."""

    @pytest.mark.parametrize("file", PLAYED)
    async def test_clip_that_browsers_play_is_kept_as_it_was_delivered(
        self, app: App, provider: DeliveryProvider, file: str
    ) -> None:
        """With its type, displayed size, duration, poster and preview."""
        scene = await one(app, file)
        kind = KINDS[file]
        assert (scene["status"], scene["failure"]) == ("COMPLETED", None)
        output = scene["output"]
        assert (output["width"], output["height"]) == kind.displayed
        assert output["durationSeconds"] == pytest.approx(float(kind.times[-1] + 1 / kind.rate), abs=0.05)
        assert output["contentType"] == kind.content_type
        (take,) = scene["takes"]
        assert (await served(app, output)).content == provider.delivered[take["id"]]
        assert (take["original"], take["preview"]) == (None, scene["preview"])
        for name in ("poster", "preview"):
            with Image.open(BytesIO((await served(app, scene[name])).content)) as picture:
                assert picture.size == (scene[name]["width"], scene[name]["height"])
                assert max(picture.size) <= max(kind.displayed)

    @pytest.mark.parametrize("file", CONVERTED)
    async def test_clip_that_browsers_do_not_play_gets_a_rendition(
        self, app: App, provider: DeliveryProvider, tmp_path: Path, file: str
    ) -> None:
        """MP4 with H.264 for the scene; the delivered file stays, under its own type and suffix."""
        scene = await one(app, file)
        (take,) = scene["takes"]
        kind = KINDS[file]
        assert scene["status"] == "COMPLETED"
        assert scene["output"]["contentType"] == "video/mp4"
        rendition = tmp_path / "rendition.mp4"
        rendition.write_bytes((await served(app, scene["output"])).content)
        probed = probe(rendition)
        assert probed[:3] == ("h264", "yuv420p", kind.displayed)
        assert float(probed.seconds) == pytest.approx(float(kind.seconds), abs=0.05)
        assert scene["output"]["durationSeconds"] == pytest.approx(float(probed.seconds), abs=0.05)
        original = take["original"]
        assert (await served(app, original)).content == provider.delivered[take["id"]]
        assert (original["contentType"], original["width"], original["height"]) == (kind.content_type, *kind.displayed)
        assert original["url"].endswith({"mov": ".mov", "matroska": ".mkv"}.get(kind.container, ".mp4"))

    async def test_event_of_a_completed_take_names_the_files_of_its_scene(self, app: App) -> None:
        """The original is no field of the scene."""
        made, _ = await rendered(app, delivery("mpeg4"))
        log = dict(await changes(app, made.id, 0))
        assert log["SCENE_COMPLETED"] == ["status", "output", "poster", "preview"]

    @pytest.mark.parametrize(
        ("poster", "shown"),
        [
            ("png", "image/png"),
            ("jpeg", "image/jpeg"),
            ("webp", "image/webp"),
            ("large", None),
            ("no picture", None),
            ("missing", None),
        ],
    )
    async def test_poster_of_a_provider_is_shown_if_it_is_a_small_picture(
        self, app: App, poster: str, shown: str | None
    ) -> None:
        """By its bytes; otherwise the scene has one that is made from the clip."""
        scene = await one(app, "plain", poster=poster)
        assert scene["status"] == "COMPLETED"
        size = (scene["poster"]["width"], scene["poster"]["height"])
        assert (scene["poster"]["contentType"], size) == (
            (shown, (16, 16)) if shown else ("image/webp", KINDS["plain"].displayed)
        )
        await served(app, scene["poster"])

    @pytest.mark.parametrize(
        "reported", ["Video/MP4; codecs=avc1", "application/octet-stream", "text/html", "video/webm", ""]
    )
    async def test_content_type_of_a_clip_is_that_of_its_bytes(self, app: App, reported: str) -> None:
        """Whatever the provider reports."""
        scene = await one(app, "plain", reported=reported)
        assert (scene["status"], scene["output"]["contentType"]) == ("COMPLETED", "video/mp4")
        assert scene["output"]["url"].endswith(".mp4")

    @pytest.mark.parametrize(
        "file", ["turned by 90", "turned by 270", "mirrored", "wide pixels", "turned wide pixels", "h264 hlg"]
    )
    async def test_poster_and_preview_are_as_the_clip_is_displayed(self, app: App, file: str) -> None:
        """Upright, with square pixels, in the colours of a standard display."""
        scene = await one(app, file)
        for name in ("poster", "preview"):
            with Image.open(BytesIO((await served(app, scene[name])).content)) as picture:
                assert picture.size == KINDS[file].displayed
                colours = quadrants(picture.convert("RGB"))
            # Colours that displays of standard range lack are shown paler; no two of the four can be confused.
            for found, expected in zip(colours, (RED, GREEN, BLUE, WHITE), strict=True):
                assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < 64

    @pytest.mark.both_databases
    async def test_video_is_joined_from_the_originals_of_renditions(self, app: App, folder: Path) -> None:
        """Not from what was encoded once already."""
        made, _ = await rendered(app, delivery("quicktime"), delivery("plain"))
        assert (await wait_for_video(app, made.id))["output"]["durationSeconds"] == 1.0
        (rendition,) = (folder / "media" / made.id / made.scenes[0]).glob("*.mp4")
        rendition.unlink()
        await accepted(app, "moveScene", sceneId=made.scenes[0], position=1)
        assert (await wait_for_video(app, made.id))["output"]["durationSeconds"] == 1.0
