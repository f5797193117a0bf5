"""Media in a bucket: redirects to signed addresses, and a bucket that is unavailable or refuses access."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import obstore
import pytest
from obstore.exceptions import GenericError

from coordinator.storage import media
from coordinator.storage.media import MediaStore
from server import health
from server.processes.serve import ready
from server.settings import Settings, WrongSettings
from tests.support import jobs
from tests.support.assembled_video import wait_for_video
from tests.support.delivered_files import DeliveryProvider
from tests.support.inspected import one
from tests.support.queries import read_scene
from tests.support.s3 import BUCKET, Bucket, s3
from tests.support.server_app import App, running
from tests.support.tokens import production_server
from tests.support.waiting import eventually

ORIGIN = "http://scenewire.test"
MEDIA_URL = f"s3://{BUCKET}/scenes"


@pytest.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Bucket]:
    """A bucket whose credentials are in the environment. Results of readiness probes are not cached."""
    monkeypatch.setattr(health, "MEDIA_SECONDS", 0.0)
    async with s3(monkeypatch) as bucket:
        yield bucket


async def rendered(app: App) -> tuple[str, str]:
    """Render a clip; return the paths of the clip and of its poster."""
    made = await jobs.make(app, jobs.scene(steps=1), start=True)
    assert await jobs.settled(app, made.id) == "COMPLETED"
    scene = await read_scene(app, made.scenes[0], "output { url } poster { url }")
    return scene["output"]["url"].removeprefix(ORIGIN), scene["poster"]["url"].removeprefix(ORIGIN)


def settings(folder: Path, **changed: object) -> Settings:
    """Settings of a server with an SQLite file and the bucket."""
    usual = {"database_url": f"sqlite+aiosqlite:///{folder}/test.db", "media_url": MEDIA_URL}
    return Settings.model_validate(usual | changed)


class TestRedirects:
    """Links to media in a bucket."""

    async def test_link_leads_to_signed_address_of_the_bucket(self, tmp_path: Path, bucket: Bucket) -> None:
        """The bucket serves the content type and ranges; the bytes do not pass through the server."""
        async with running(tmp_path, media_url=MEDIA_URL, media_url_seconds=120) as app:
            clip, poster = await rendered(app)
            for path, kind in ((clip, "video/mp4"), (poster, "image/webp")):
                answer = await app.http.get(path)
                assert (answer.status_code, answer.headers["cache-control"]) == (307, "no-store")
                assert answer.headers["access-control-allow-origin"] == "*"
                assert answer.content == b""
                address = answer.headers["location"]
                assert address.startswith(f"{bucket.url}/{BUCKET}/scenes/")
                assert parse_qs(urlsplit(address).query)["X-Amz-Expires"] == ["120"]
                async with httpx.AsyncClient() as browser:
                    whole = await browser.get(address)
                    part = await browser.get(address, headers={"range": "bytes=4-7"})
                assert (whole.status_code, whole.headers["content-type"]) == (200, kind)
                assert whole.headers["cache-control"] == "private, max-age=31536000, immutable"
                assert (part.status_code, part.content) == (206, whole.content[4:8])
            assert whole.content

    async def test_bucket_serves_a_file_that_is_no_clip_as_a_download(self, tmp_path: Path, bucket: Bucket) -> None:
        """A page that was delivered as a clip is not shown by browsers."""
        async with running(tmp_path, {"scripted": DeliveryProvider()}, media_url=MEDIA_URL) as app:
            scene = await one(app, "page")
            answer = await app.http.get(scene["takes"][0]["original"]["url"].removeprefix(ORIGIN))
            async with httpx.AsyncClient() as browser:
                page = await browser.get(answer.headers["location"])
        assert page.content.startswith(b"<!doctype html>")
        assert page.headers["content-type"] == "application/octet-stream"
        assert page.headers["content-disposition"] == "attachment"

    async def test_head_of_link_leads_to_address_for_head(self, tmp_path: Path, bucket: Bucket) -> None:
        """S3 signs the method too, so HEAD needs an address of its own."""
        async with running(tmp_path, media_url=MEDIA_URL) as app:
            clip, _ = await rendered(app)
            address = (await app.http.head(clip)).headers["location"]
            async with httpx.AsyncClient() as browser:
                answer = await browser.head(address)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")

    async def test_address_expires_no_later_than_the_link(self, tmp_path: Path, bucket: Bucket) -> None:
        """In production; a link without a valid signature is not found."""
        async with running(tmp_path, media_url=MEDIA_URL) as app:
            clip, _ = await rendered(app)
        key = clip.removeprefix("/media/")
        async with production_server(tmp_path, media_url=MEDIA_URL, media_url_seconds=100) as server:
            made_at = time.time()
            app = server.app
            link = app.container.signed_urls(key).url.removeprefix(ORIGIN)
            answer = await app.http.get(link)
            assert (await app.http.get(clip)).status_code == 404
        expires = int(parse_qs(urlsplit(answer.headers["location"]).query)["X-Amz-Expires"][0])
        assert 0 < expires <= int(parse_qs(urlsplit(link).query)["expires"][0]) - made_at

    async def test_bytes_pass_through_the_server_without_redirects(self, tmp_path: Path, bucket: Bucket) -> None:
        """The setting MEDIA_REDIRECTS is off, for a bucket that clients cannot reach."""
        async with running(tmp_path, media_url=MEDIA_URL, media_redirects=False) as app:
            clip, _ = await rendered(app)
            answer = await app.http.get(clip, headers={"range": "bytes=4-7"})
        assert (answer.status_code, answer.headers["content-type"], answer.content) == (206, "video/mp4", b"ftyp")

    async def test_bytes_pass_through_the_server_while_the_bucket_cannot_sign(
        self, tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Credentials of an anonymous user cannot sign; signing is attempted again after a pause."""
        attempts: list[str] = []

        async def fail(_store: object, _method: str, path: str, _lifetime: timedelta) -> str:
            attempts.append(path)
            raise GenericError("there are no credentials")

        async with running(tmp_path, media_url=MEDIA_URL) as app:
            clip, _ = await rendered(app)
            with monkeypatch.context() as anonymous:
                anonymous.setattr(obstore, "sign_async", fail)
                anonymous.setattr(media, "SIGN_AGAIN_SECONDS", 0.0)
                assert [(await app.http.get(clip)).status_code for _ in range(2)] == [200, 200]
            assert (await app.http.get(clip)).status_code == 307
            monkeypatch.setattr(obstore, "sign_async", fail)
            assert [(await app.http.get(clip)).status_code for _ in range(2)] == [200, 200]
        assert len(attempts) == 3

    async def test_missing_object_is_not_found(self, tmp_path: Path, bucket: Bucket) -> None:
        """The server checks that the object exists before it redirects."""
        async with running(tmp_path, media_url=MEDIA_URL) as app:
            clip, _ = await rendered(app)
            bucket.objects.clear()
            assert (await app.http.get(clip)).status_code == 404


class TestOutage:
    """A media store that does not answer."""

    async def test_bucket_outage_makes_links_503_and_the_server_not_ready(
        self, tmp_path: Path, bucket: Bucket, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Each logs one line; both recover without a restart."""
        async with running(tmp_path, media_url=MEDIA_URL) as app:
            clip, _ = await rendered(app)
            # The job's video is stored before the outage.
            await eventually(lambda: any("/cut_" in key for key in bucket.objects))
            bucket.available = False
            caplog.clear()
            answer = await app.http.get(clip)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert answer.headers["cache-control"] == "no-store"
            probe = await app.http.get("/readyz")
            assert (probe.status_code, probe.json()["media"], probe.json()["database"]) == (503, False, True)
            assert (await app.http.get("/healthz")).status_code == 200
            warnings = [each for each in caplog.records if each.levelno >= logging.WARNING]
            assert [each.__dict__["action"] for each in warnings] == ["media.unavailable", "health.unavailable"]
            assert all(each.exc_info is None and "\n" not in each.getMessage() for each in warnings)
            bucket.available = True
            assert (await app.http.get(clip)).status_code == 307
            assert (await app.http.get("/readyz")).json() == {
                "status": "ok",
                "database": True,
                "queue": True,
                "media": True,
            }

    async def test_outage_during_a_download_ends_the_response_early(
        self, tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The client sees a broken connection in place of a short file; the log has no traceback."""
        async with running(tmp_path, media_url=MEDIA_URL, media_redirects=False) as app:
            clip, _ = await rendered(app)
            head = MediaStore.head

            async def head_then_outage(store: MediaStore, key: str) -> object:
                stored = await head(store, key)
                bucket.available = False
                return stored

            monkeypatch.setattr(MediaStore, "head", head_then_outage)
            with pytest.raises(httpx.RemoteProtocolError):
                await app.http.get(clip)
        assert [each for each in caplog.records if each.exc_info] == []
        assert [each.__dict__.get("action") for each in caplog.records].count("media.unavailable") == 1

    async def test_probes_ask_the_bucket_once_a_second(
        self, tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Concurrent readiness probes share one request to the bucket."""
        monkeypatch.setattr(health, "MEDIA_SECONDS", 3_600.0)
        async with running(tmp_path, media_url=MEDIA_URL) as app:
            answers = await asyncio.gather(*(app.http.get("/readyz") for _ in range(5)))
            assert {each.status_code for each in answers} == {200}
        assert bucket.requests.count(f"HEAD /{BUCKET}/scenes/probe") == 1

    async def test_missing_media_folder_makes_links_503_and_the_server_not_ready(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A missing folder, such as an unmounted volume, is 503; a file that is missing in the folder is 404."""
        monkeypatch.setattr(health, "MEDIA_SECONDS", 0.0)
        folder = tmp_path / "media"
        async with running(tmp_path) as app:
            clip, poster = await rendered(app)
            (folder / poster.removeprefix("/media/")).unlink()
            assert (await app.http.get(poster)).status_code == 404
            # Storing the joined video would create the folder again.
            (job,) = (await app.execute("{ jobs { nodes { id } } }"))["jobs"]["nodes"]
            await wait_for_video(app, job["id"])
            folder.rename(tmp_path / "away")
            assert (await app.http.get(clip)).status_code == 503
            probe = await app.http.get("/readyz")
            assert (probe.status_code, probe.json()["media"]) == (503, False)
            (tmp_path / "away").rename(folder)
            assert (await app.http.get(clip)).status_code == 200
            assert (await app.http.get("/readyz")).status_code == 200


class TestStart:
    """The check of the media store at the start."""

    async def test_wrong_bucket_or_credentials_are_refused_in_one_line(
        self, tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The line contains the variable and the URL, and no secret."""
        assert await asyncio.to_thread(ready, settings(tmp_path))
        cases = {"s3://other/scenes": {}, MEDIA_URL: {"AWS_SECRET_ACCESS_KEY": "wrong secret"}}
        for url, environment in cases.items():
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            with pytest.raises(WrongSettings) as refused:
                await asyncio.to_thread(ready, settings(tmp_path, media_url=url))
            assert str(refused.value).startswith(f"SCENEWIRE_MEDIA_URL: {url}: ")
            assert "\n" not in str(refused.value)
            assert "wrong secret" not in str(refused.value)

    async def test_server_starts_while_the_bucket_is_away(
        self, tmp_path: Path, bucket: Bucket, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A warning is logged, and the API works without media."""
        bucket.available = False
        assert await asyncio.to_thread(ready, settings(tmp_path))
        (warning,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
        assert warning.getMessage().startswith("SCENEWIRE_MEDIA_URL: The media store does not answer. (")

    @pytest.mark.parametrize("where", ["file", "missing", "unwritable"])
    def test_folder_that_cannot_be_written_is_refused_in_one_line(self, tmp_path: Path, where: str) -> None:
        """With the reason of the operating system. No user can write files in /proc, root included."""
        (tmp_path / "file").touch()
        folders = {"file": tmp_path / "file", "missing": "/proc/scenewire/media", "unwritable": "/proc/self"}
        url = str(folders[where])
        with pytest.raises(WrongSettings) as refused:
            ready(settings(tmp_path, media_url=url))
        assert str(refused.value).startswith("SCENEWIRE_MEDIA_URL: ")
        assert url.rpartition("/")[0] in str(refused.value)
        assert "\n" not in str(refused.value)
