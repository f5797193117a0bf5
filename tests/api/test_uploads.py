"""The route of uploads: one PUT, and the tus protocol 1.0 for uploads that go on after a cut."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from coordinator.assets import receiving
from server.uploads import active, routes
from tests.support.asset_files import PATCH, Announced, File, act, announced, at, create, offset, patch, picture
from tests.support.server_app import App, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILE = picture(200, 100, "orange", "JPEG")
CONTENT = FILE.content


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the server store parts of a few bytes."""
    monkeypatch.setattr(receiving, "PART_BYTES", 100)
    return 100


async def is_ready(app: App, asset: Announced) -> bool:
    """Complete an asset, and check that its file is the one that was sent."""
    payload = await act(app, "completeAsset", asset.id)
    media = payload["asset"]["media"]
    return media is not None and (await app.http.get(at(app, media["url"]))).content == CONTENT


async def test_upload_goes_on_where_it_ended(shared: App, small_parts: int) -> None:
    """HEAD says where; parts that the client sends join to the file."""
    asset = await announced(shared, FILE)
    sent = 0
    for size in (1, small_parts, 3 * small_parts + 1, len(CONTENT)):
        assert await offset(shared, asset.url) == sent
        answer = await patch(shared, asset.url, sent, CONTENT[sent : sent + size])
        sent = min(sent + size, len(CONTENT))
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(sent))
        assert answer.headers["upload-length"] == str(len(CONTENT))
        assert answer.headers["tus-resumable"] == "1.0.0"
        assert "upload-expires" in answer.headers
    assert await is_ready(shared, asset)


async def test_wrong_offsets_are_refused_with_the_right_one(shared: App) -> None:
    """409, and the bytes that have arrived stay as they are."""
    asset = await announced(shared, FILE)
    await patch(shared, asset.url, 0, CONTENT[:50])
    for wrong in (0, 49, 51, 10**18):
        answer = await patch(shared, asset.url, wrong, CONTENT[50:])
        assert (answer.status_code, answer.headers["upload-offset"]) == (409, "50")
    for none in ("", "-1", "5e1", "٥٠", "9" * 30):
        headers = httpx.Headers({**PATCH, "upload-offset": none}, encoding="utf-8")
        assert (await shared.http.patch(asset.url, content=b"x", headers=headers)).status_code == 400
    assert await offset(shared, asset.url) == 50


async def test_more_bytes_than_announced_are_refused(shared: App, small_parts: int) -> None:
    """413, by the announced length of the body and by what comes; nothing in excess is kept."""
    asset = await announced(shared, FILE)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10 * len(CONTENT) // 1000 + 10):
            yield bytes(1000)

    assert (await patch(shared, asset.url, 0, CONTENT + b"x")).status_code == 413
    assert (await shared.http.put(asset.url, content=CONTENT + b"x")).status_code == 413
    assert (await shared.http.put(asset.url, content=endless())).status_code == 413
    assert await offset(shared, asset.url) <= len(CONTENT)
    assert (await shared.http.put(asset.url, content=CONTENT[:-1])).status_code == 400
    assert (await shared.http.put(asset.url, content=CONTENT)).status_code == 204
    assert await is_ready(shared, asset)


async def test_too_many_small_parts_are_refused(shared: App, small_parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is listed in the row of the upload; one PUT of the whole file begins again."""
    monkeypatch.setattr(routes, "MOST_CUTS", 2)
    asset = await announced(shared, FILE)
    most = 2 + 2 * len(CONTENT) // small_parts
    for sent in range(most + 1):
        assert (await patch(shared, asset.url, sent, CONTENT[sent : sent + 1])).status_code == 204
    assert (await patch(shared, asset.url, most + 1, CONTENT[most + 1 :])).status_code == 400
    assert (await shared.http.put(asset.url, content=CONTENT)).status_code == 204
    assert await is_ready(shared, asset)


async def test_checksum_of_a_part_is_verified(shared: App, small_parts: int) -> None:
    """By the extension of tus: 460 for another one, and none of the part counts."""
    asset = await announced(shared, FILE)
    half = CONTENT[:300]
    for algorithm in receiving.ALGORITHMS:
        digest = base64.b64encode(hashlib.new(algorithm, half).digest()).decode()
        wrong = await patch(shared, asset.url, 0, half[:-1] + b"?", upload_checksum=f"{algorithm} {digest}")
        assert (wrong.status_code, await offset(shared, asset.url)) == (460, 0)
    for unusable in ("crc32 AAAA", "sha1", "sha1 ?"):
        answer = await patch(shared, asset.url, 0, half, upload_checksum=unusable)
        assert answer.status_code == (460 if unusable == "sha1" else 400)
    digest = base64.b64encode(hashlib.sha1(half, usedforsecurity=False).digest()).decode()
    assert (await patch(shared, asset.url, 0, half, upload_checksum=f"sha1 {digest}")).status_code == 204
    assert (await patch(shared, asset.url, 300, CONTENT[300:])).status_code == 204
    assert await is_ready(shared, asset)


async def test_protocol_is_described_and_versions_are_checked(shared: App) -> None:
    """OPTIONS, another version, other content types and methods, and methods in a header of POST."""
    asset = await announced(shared, FILE)
    described = await shared.http.options(asset.url)
    assert (described.status_code, described.headers["tus-version"]) == (204, "1.0.0")
    assert described.headers["tus-extension"] == "checksum,expiration,termination"
    assert int(described.headers["tus-max-size"]) == 2 * 2**30
    other = await patch(shared, asset.url, 0, b"x", tus_resumable="0.2.2")
    assert (other.status_code, other.headers["tus-version"]) == (412, "1.0.0")
    assert (await patch(shared, asset.url, 0, b"x", content_type="image/jpeg")).status_code == 415
    assert (await shared.http.post(asset.url, content=b"x")).status_code == 405
    assert (await shared.http.get(asset.url)).status_code == 405
    headers = {**PATCH, "upload-offset": "0", "x-http-method-override": "PATCH"}
    assert (await shared.http.post(asset.url, content=b"x", headers=headers)).status_code == 204


async def test_ended_upload_is_gone(shared: App) -> None:
    """By DELETE; the asset stays, and says that bytes are missing."""
    asset = await announced(shared, FILE)
    await patch(shared, asset.url, 0, CONTENT[:50])
    assert (await shared.http.delete(asset.url)).status_code == 204
    for method in ("HEAD", "DELETE", "PUT"):
        assert (await shared.http.request(method, asset.url)).status_code == 410
    assert [error["code"] for error in (await act(shared, "completeAsset", asset.id))["errors"]] == ["UPLOAD_REFUSED"]


async def test_repeated_put_replaces_what_has_arrived(shared: App) -> None:
    """So that a client that knows no tus can simply try again."""
    asset = await announced(shared, FILE)
    await patch(shared, asset.url, 0, bytes(len(CONTENT)))
    assert (await shared.http.put(asset.url, content=CONTENT)).status_code == 204
    assert await is_ready(shared, asset)


async def test_cut_upload_keeps_what_has_arrived(shared: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what was too little for a part; with a checksum, which cannot be verified then, nothing."""
    arrived = Arrived(monkeypatch)
    for header, kept in ((b"", 700), (b"upload-checksum: sha1 AAAA\r\n", 0)):
        asset = await announced(shared, FILE)
        # Those of the request before were counted too.
        arrived.number = 0
        _, writer = await _connection(asset.url, header, CONTENT[:700])
        await eventually(lambda: arrived.number >= 700)
        writer.close()
        assert await offset(shared, asset.url) == kept
        assert (await patch(shared, asset.url, kept, CONTENT[kept:])).status_code == 204
        assert await is_ready(shared, asset)


class Arrived:
    """Counts the bytes that requests have handed to uploads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = 0
        name = "_add"
        add: Callable[[receiving.Receiver, bytes], Awaitable[None]] = getattr(receiving.Receiver, name)

        async def counted(receiver: receiving.Receiver, chunk: bytes) -> None:
            await add(receiver, chunk)
            self.number += len(chunk)

        monkeypatch.setattr(receiving.Receiver, name, counted)


async def _connection(url: str, header: bytes, part: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"PATCH {address.path}?{address.query} HTTP/1.1\r\nhost: {address.netloc}\r\nupload-offset: 0\r\n"
    length = f"content-type: {PATCH['content-type']}\r\ncontent-length: {len(CONTENT)}\r\n"
    writer.write(head.encode() + length.encode() + header + b"\r\n" + part)
    await writer.drain()
    return reader, writer


async def test_newer_request_ends_one_that_hangs(shared: App) -> None:
    """A client that goes on after a cut knows more than a server that waits for its dead connection."""
    asset = await announced(shared, FILE)
    reader, writer = await _connection(asset.url, b"expect: 100-continue\r\n", b"")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(CONTENT[:300])
    await writer.drain()
    arrived = await offset(shared, asset.url)
    assert arrived in range(301)
    # The system reports a reset where bytes were on the way.
    with suppress(ConnectionResetError):
        assert await reader.read() == b"", "the connection was cut"
    assert (await patch(shared, asset.url, arrived, CONTENT[arrived:])).status_code == 204
    assert await is_ready(shared, asset)
    writer.close()


async def test_too_many_uploads_at_once_are_refused_with_retry_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """423 with Retry-After; the one that is being received is not disturbed."""
    monkeypatch.setattr(active.ActiveUploads.__init__, "__defaults__", (1,))
    async with running(tmp_path, renders=False) as app:
        first, second = await announced(app, FILE), await announced(app, FILE)
        reader, writer = await _connection(first.url, b"expect: 100-continue\r\n", b"")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        busy = await app.http.put(second.url, content=CONTENT)
        assert (busy.status_code, busy.headers["retry-after"]) == (423, "5")
        writer.write(CONTENT)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 204")
        writer.close()
        assert (await app.http.put(second.url, content=CONTENT)).status_code == 204


async def test_signature_is_for_one_upload_until_its_end(shared: App) -> None:
    """Any other address is not found, whatever the method; the owner's token is not needed."""
    mine, other = await announced(shared, FILE), await announced(shared, FILE)
    address = httpx.URL(mine.url)
    later = str(int(address.params["expires"]) + 1)
    forged = [
        address.copy_with(query=None),
        address.copy_set_param("expires", later),
        address.copy_set_param("expires", "0"),
        address.copy_add_param("expires", later),
        address.copy_set_param("signature", ""),
        address.copy_set_param("signature", "é"),
        address.copy_with(path=httpx.URL(other.url).path),
        address.copy_with(path="/uploads/../media/x"),
        address.copy_with(raw_path=b"/uploads/..%2f..%2fetc%2fpasswd?" + address.query),
        address.copy_with(path="/uploads/"),
    ]
    async with httpx.AsyncClient(headers={"tus-resumable": "1.0.0"}) as stranger:
        for each in forged:
            for method in ("PUT", "PATCH", "HEAD", "DELETE"):
                assert (await stranger.request(method, each, content=b"")).status_code in (404, 405), (method, each)
        assert (await stranger.put(mine.url, content=CONTENT)).status_code == 204
    assert await offset(shared, other.url) == 0


async def test_bytes_of_uploads_are_not_media(shared: App) -> None:
    """They are not served before they were inspected."""
    asset = await announced(shared, FILE)
    await shared.http.put(asset.url, content=CONTENT)
    stored = files(Path(shared.container.settings.media_url))
    assert stored
    for path in stored:
        assert (await shared.http.get(f"/media/{path}")).status_code == 404


def files(media: Path) -> list[Path]:
    """Return the stored parts of uploads."""
    return [path.relative_to(media) for path in media.rglob("part_*")]


async def test_names_of_files_are_only_names(shared: App) -> None:
    """They become no part of a path."""
    name = "../../../../etc/passwd\u202fx.png"
    payload = await create(shared, FILE.announcement(name=name))
    assert payload["asset"]["name"] == name
    await shared.http.put(at(shared, payload["upload"]["url"]), content=CONTENT)
    media = (await act(shared, "completeAsset", payload["asset"]["id"]))["asset"]["media"]
    assert f"/media/assets/{payload['asset']['id']}_" in media["url"]
    assert "passwd" not in media["url"]


@pytest.mark.both_databases
async def test_concurrent_first_assets_are_counted_in_turn(database: None, tmp_path: Path) -> None:
    """There is no row of an asset yet by which they could wait for each other."""
    async with running(tmp_path, renders=False, uploads_per_owner=2) as app:
        made = await asyncio.gather(*(create(app, FILE.announcement()) for _ in range(8)))
        codes = [error["code"] for payload in made for error in payload["errors"]]
        assert codes == ["LIMIT_EXCEEDED"] * 6


async def test_too_many_waiting_assets_are_refused(tmp_path: Path) -> None:
    """LIMIT_EXCEEDED, until one is completed, rejected or deleted; larger files than allowed never."""
    async with running(tmp_path, renders=False, uploads_per_owner=2, asset_max_bytes=len(CONTENT)) as app:
        first, _ = await announced(app, FILE), await announced(app, FILE)
        refused = await create(app, FILE.announcement())
        assert [error["code"] for error in refused["errors"]] == ["LIMIT_EXCEEDED"]
        await act(app, "deleteAsset", first.id)
        assert (await create(app, FILE.announcement()))["errors"] == []
        restored = await act(app, "restoreAsset", first.id)
        assert [error["code"] for error in restored["errors"]] == ["LIMIT_EXCEEDED"]
        assert restored["asset"]["deletedAt"] is not None
        large = File(CONTENT + b"x", FILE.kind, FILE.content_type)
        assert [error["path"] for error in (await create(app, large.announcement()))["errors"]] == [
            ["input", "sizeBytes"]
        ]
