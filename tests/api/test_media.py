"""Media files over HTTP: byte ranges and conditional requests (RFC 9110, sections 13 and 14), and unknown paths."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import pytest_asyncio

from coordinator.storage.keys import live_frame_key
from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import UNUSED_SUFFIX
from tests.support.queries import MEDIA, read_scene
from tests.support.server_app import App, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORIGIN = "http://scenewire.test"


class Rendered(NamedTuple):
    """A clip with its files in GraphQL, its path and its bytes."""

    app: App
    folder: Path
    files: Json
    path: str
    content: bytes

    async def get(self, **headers: str) -> httpx.Response:
        """Request the clip with these headers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.app.http.get(self.path, headers=named)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rendered(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Rendered]:
    """One clip of the scripted provider."""
    folder = tmp_path_factory.mktemp("media")
    async with running(folder) as app:
        made = await jobs.make(app, jobs.scene(steps=1), start=True)
        assert await jobs.settled(app, made.id) == "COMPLETED"
        files = await read_scene(app, made.scenes[0], f"output {MEDIA} poster {MEDIA} preview {MEDIA}")
        path: str = files["output"]["url"].removeprefix(ORIGIN)
        yield Rendered(app, folder, files, path, (await app.http.get(path)).content)


@pytest.mark.sqlite_alone
async def test_live_frame_that_is_overwritten_meanwhile_is_complete(rendered: Rendered) -> None:
    """Each response is one frame, whichever: pictures of two renders are not mixed, and none is cut off."""
    container = rendered.app.container
    key = live_frame_key(f"take_{'1' * 26}")
    frames = [bytes([number]) * 1_000 * number for number in range(1, 9)]
    path = container.signed_urls(key, 1).url.removeprefix(ORIGIN)
    await container.coordinator.media.put(key, frames[0])
    is_read = asyncio.Event()

    async def overwrite() -> None:
        while not is_read.is_set():
            for frame in frames:
                await container.coordinator.media.put(key, frame)

    async with asyncio.TaskGroup() as group:
        group.create_task(overwrite())
        responses = [await rendered.app.http.get(path) for _ in range(200)]
        is_read.set()
    assert {response.status_code for response in responses} == {200}
    assert [response.content for response in responses if response.content not in frames] == []


async def test_media_files_have_the_size_and_type_of_the_api(rendered: Rendered) -> None:
    """Clip, poster and preview."""
    for name, kind in (("output", "video/mp4"), ("poster", "image/webp"), ("preview", "image/webp")):
        file = rendered.files[name]
        answer = await rendered.app.http.get(file["url"].removeprefix(ORIGIN))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == file["contentType"] == kind
        assert int(answer.headers["content-length"]) == len(answer.content) == file["sizeBytes"] > 0
        assert (file["width"], file["height"], file["expiresAt"]) == (64, 36, None)
    assert rendered.files["output"]["durationSeconds"] == 1.0


async def test_clip_is_served_whole_and_cacheable(rendered: Rendered) -> None:
    """It accepts ranges, and may be cached for a year because files of a take never change."""
    answer = await rendered.get()
    assert answer.status_code == 200
    assert answer.content[4:8] == b"ftyp"
    assert "content-range" not in answer.headers
    headers = {name: answer.headers[name] for name in ("accept-ranges", "cache-control", "x-content-type-options")}
    assert headers == {
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
    }


class TestMediaRanges:
    """Range requests."""

    @pytest.mark.parametrize(
        ("requested", "start", "end"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=0-99", 0, 100),
            ("bytes=100-", 100, None),
            ("bytes=0-", 0, None),
            ("bytes=-1", -1, None),
            ("bytes=-100", -100, None),
            ("bytes=-999999999", 0, None),
            ("bytes=10-999999999", 10, None),
            ("Bytes=1-2", 1, 3),
        ],
    )
    async def test_media_range_is_served(self, rendered: Rendered, requested: str, start: int, end: int | None) -> None:
        """Status 206 with exactly these bytes."""
        whole = rendered.content
        first, after, _ = slice(start, end).indices(len(whole))
        answer = await rendered.get(range=requested)
        assert answer.status_code == 206
        assert answer.content == whole[first:after]
        assert answer.headers["content-range"] == f"bytes {first}-{after - 1}/{len(whole)}"
        assert answer.headers["content-length"] == str(after - first)
        assert answer.headers["content-type"] == "video/mp4"

    @pytest.mark.parametrize(
        "requested",
        ["bytes=0-1,5-9", "bytes=9-5", "bytes=-", "bytes=a-b", "seconds=0-1", "0-1", "bytes", "bytes=+1-2", ""],
    )
    async def test_invalid_media_range_returns_the_whole_file(self, rendered: Rendered, requested: str) -> None:
        """Several ranges, other units, invalid syntax."""
        answer = await rendered.get(range=requested)
        assert (answer.status_code, answer.content) == (200, rendered.content)

    async def test_media_range_beyond_the_end_is_416(self, rendered: Rendered) -> None:
        """With the size of the file."""
        size = len(rendered.content)
        for requested in (f"bytes={size}-", f"bytes={size}-{size + 5}", "bytes=-0", f"bytes={10**17}-"):
            answer = await rendered.get(range=requested)
            assert (answer.status_code, answer.content) == (416, b"")
            assert answer.headers["content-range"] == f"bytes */{size}"

    async def test_media_range_with_if_range_is_of_the_same_file(self, rendered: Rendered) -> None:
        """With another entity tag the whole file is sent."""
        etag = (await rendered.get()).headers["etag"]
        same = await rendered.get(range="bytes=0-9", if_range=etag)
        assert (same.status_code, same.content) == (206, rendered.content[:10])
        for other in ('"another"', f"W/{etag}", "Sun, 01 Mar 2026 00:00:00 GMT"):
            whole = await rendered.get(range="bytes=0-9", if_range=other)
            assert (whole.status_code, whole.content) == (200, rendered.content)

    async def test_media_ranges_of_all_sizes_make_the_whole_file(self, rendered: Rendered) -> None:
        """Consecutive ranges."""
        size = len(rendered.content)
        for piece in (1 + size // 7, 1 + size // 2, size):
            parts = [await rendered.get(range=f"bytes={at}-{at + piece - 1}") for at in range(0, size, piece)]
            assert b"".join(part.content for part in parts) == rendered.content


class TestMediaConditions:
    """Conditional requests."""

    async def test_media_with_a_known_etag_is_304(self, rendered: Rendered) -> None:
        """If-None-Match in all its forms."""
        etag = (await rendered.get()).headers["etag"]
        assert etag.startswith('"')
        for known in (etag, f"W/{etag}", f'"another", {etag}', "*"):
            answer = await rendered.get(if_none_match=known)
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == etag
        assert (await rendered.get(if_none_match=etag, range="bytes=0-1")).status_code == 304

    async def test_media_with_another_etag_is_sent(self, rendered: Rendered) -> None:
        """Each file has an entity tag of its own."""
        answer = await rendered.get(if_none_match='"another"')
        assert (answer.status_code, answer.content) == (200, rendered.content)
        poster = await rendered.app.http.get(rendered.files["poster"]["url"].removeprefix(ORIGIN))
        assert poster.headers["etag"] != answer.headers["etag"]


class TestMediaMethods:
    """GET and HEAD."""

    async def test_head_of_media_has_the_headers_of_get(self, rendered: Rendered) -> None:
        """A Range header applies to GET alone."""
        varying = ("date", "x-request-id")
        headers = {name: value for name, value in (await rendered.get()).headers.items() if name not in varying}
        for more in ({}, {"range": "bytes=0-1"}, {"range": "bytes=999999999-"}):
            answer = await rendered.app.http.head(rendered.path, headers=more)
            assert (answer.status_code, answer.content) == (200, b"")
            assert {name: value for name, value in answer.headers.items() if name not in varying} == headers

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    async def test_media_is_read_only(self, rendered: Rendered, method: str) -> None:
        """405 with the allowed methods."""
        answer = await rendered.app.http.request(method, rendered.path)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].replace(" ", "").split(",")) == {"GET", "HEAD"}
        assert (await rendered.get()).content == rendered.content


class TestMediaPaths:
    """Paths that are not media keys."""

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "notes.txt",
            "job_1/scene_1/take_1.mp4",
            "../secret.txt",
            "..%2fsecret.txt",
            "%2e%2e/secret.txt",
            "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
            "..%5csecret.txt",
            "/etc/passwd",
            "%2fetc%2fpasswd",
            "notes.txt%00.mp4",
            f"live/take_{UNUSED_SUFFIX}.webp",
            f"job_{UNUSED_SUFFIX}/scene_{UNUSED_SUFFIX}/take_{UNUSED_SUFFIX}.mp4",
            f"job_{UNUSED_SUFFIX}/scene_{UNUSED_SUFFIX}/../../notes.txt",
            f"job_{UNUSED_SUFFIX}/scene_{UNUSED_SUFFIX}/take_{UNUSED_SUFFIX}",
        ],
    )
    async def test_unknown_media_path_is_404(self, rendered: Rendered, name: str) -> None:
        """Whether or not there is such a file inside or outside the folder."""
        (rendered.folder / "secret.txt").write_text("swordfish")
        (rendered.folder / "media" / "notes.txt").write_text("swordfish")
        for method in ("GET", "HEAD"):
            # The raw target, because httpx would normalise the path.
            answer = await rendered.app.http.request(
                method, "/media/", extensions={"target": f"/media/{name}".encode()}
            )
            assert answer.status_code == 404
            assert b"swordfish" not in answer.content

    async def test_media_path_has_one_spelling(self, rendered: Rendered) -> None:
        """Equivalent paths are 404."""
        for spelling in (rendered.path + "/", rendered.path.upper(), rendered.path.replace("/job_", "/./job_")):
            answer = await rendered.app.http.get("/media/", extensions={"target": spelling.encode()})
            assert answer.status_code == 404

    async def test_deleted_media_file_is_404(self, tmp_path: Path) -> None:
        """A file that was removed from the store."""
        async with running(tmp_path) as app:
            made = await jobs.make(app, jobs.scene(steps=1), start=True)
            await jobs.settled(app, made.id)
            output = (await read_scene(app, made.scenes[0], "output { url }"))["output"]["url"].removeprefix(ORIGIN)
            (tmp_path / output.removeprefix("/")).unlink()
            assert (await app.http.get(output)).status_code == 404


async def test_preview_of_a_running_render_is_its_newest_frame(tmp_path: Path) -> None:
    """At a URL of its own, which caches do not keep."""
    async with running(tmp_path) as app:
        script: Json = {"outcome": "stall", "steps": 3, "frames": True, "stepSeconds": 0.01}
        made = await jobs.make(app, jobs.scene(**script), start=True)
        document = """subscription($id: ID!) { jobEvents(jobId: $id) {
            ... on SceneProgress { preview { url contentType } }
        } }"""
        async with app.subscribe(document, id=made.id) as stream:
            preview: Json | None = None
            while preview is None:
                preview = (await stream.next())["jobEvents"].get("preview")
        assert (await read_scene(app, made.scenes[0], "preview { url contentType }"))["preview"] == preview
        answer = await app.http.get(preview["url"].removeprefix(ORIGIN))
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.content[8:12] == b"WEBP"
