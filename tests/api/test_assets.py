"""Assets: announced, uploaded, looked at, listed, deleted and restored."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from tests.support.asset_files import (
    File,
    a_ready_asset,
    act,
    an_asset,
    announced,
    at,
    create,
    picture,
    picture_that_claims,
    sound,
    video,
)
from tests.support.client import Json
from tests.support.factories import NO_ASSET
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

LIST = """query($first: Int, $after: String, $kind: [AssetKind!], $search: String, $deleted: Boolean! = false) {
  assets(first: $first, after: $after, kind: $kind, search: $search, includeDeleted: $deleted) {
    totalCount nodes { id } edges { cursor } pageInfo { hasNextPage hasPreviousPage }
  }
}"""


async def test_picture_becomes_ready_with_its_size_and_a_poster(shared: App) -> None:
    """The size is the one that is displayed: the picture is turned by its EXIF data."""
    turned = picture(
        64, 48, kind="JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    )
    asset = await a_ready_asset(shared, turned, name="Kite", metadata={"a": [1, None]}, sha256=turned.sha256)
    assert (asset["kind"], asset["name"], asset["metadata"]) == ("IMAGE", "Kite", {"a": [1, None]})
    assert (asset["sha256"], asset["failure"], asset["purgeAfter"]) == (turned.sha256, None, None)
    media = asset["media"]
    assert (media["contentType"], media["sizeBytes"]) == ("image/jpeg", len(turned.content))
    assert (media["width"], media["height"]) == (48, 64)
    kept = await shared.http.get(at(shared, media["url"]))
    assert (kept.content, kept.headers["content-type"]) == (turned.content, "image/jpeg")
    poster = await shared.http.get(at(shared, asset["poster"]["url"]))
    assert poster.headers["content-type"] == "image/webp"
    assert poster.content.startswith(b"RIFF")


@pytest.mark.sqlite_alone
async def test_video_and_sound_become_ready(shared: App, tmp_path: Path) -> None:
    """A video with a poster; sound with its length."""
    clip = await a_ready_asset(shared, video(tmp_path))
    assert (clip["media"]["width"], clip["media"]["height"]) == (64, 48)
    assert clip["poster"]["width"] == 64
    tone = await a_ready_asset(shared, sound(0.5))
    assert tone["media"]["durationSeconds"] == pytest.approx(0.5)
    assert (tone["media"]["contentType"], tone["poster"]) == ("audio/wav", None)


async def test_file_that_the_owner_has_needs_no_upload(shared: App) -> None:
    """The new asset is READY at once, with a name of its own; one of another size or kind is not."""
    file = picture(colour="teal")
    first = await a_ready_asset(shared, file, name="First")
    again = await create(shared, file.announcement(sha256=file.sha256, name="Again"))
    assert (again["asset"]["status"], again["asset"]["name"], again["upload"]) == ("READY", "Again", None)
    assert again["asset"]["id"] != first["id"]
    assert again["asset"]["media"] == first["media"]
    other_size = await create(shared, file.announcement(sha256=file.sha256, sizeBytes=7))
    assert other_size["asset"]["status"] == "WAITING"
    for asset_id in (first["id"], again["asset"]["id"]):
        assert (await act(shared, "deleteAsset", asset_id))["errors"] == []
    after = await create(shared, file.announcement(sha256=file.sha256))
    assert after["asset"]["status"] == "WAITING", "a deleted file is not used"


async def test_completion_asks_for_missing_bytes_and_can_be_repeated(shared: App) -> None:
    """UPLOAD_REFUSED with a new target, and nothing is changed; when READY it stays as it is."""
    file = picture(colour="olive")
    asset = await announced(shared, file)
    early = await act(shared, "completeAsset", asset.id)
    (error,) = early["errors"]
    assert (error["code"], error["path"]) == ("UPLOAD_REFUSED", ["input", "assetId"])
    assert error["message"] == f"0 of {len(file.content)} bytes have arrived; upload the rest first."
    assert early["asset"]["status"] == "WAITING"
    url = at(shared, early["upload"]["url"])
    assert (await shared.http.put(url, content=file.content)).status_code == 204
    ready = await act(shared, "completeAsset", asset.id)
    assert (ready["asset"]["status"], ready["upload"], ready["errors"]) == ("READY", None, [])
    assert await act(shared, "completeAsset", asset.id) == ready


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(
    ("file", "fields", "code"),
    [
        (picture(), {"sha256": "0" * 64}, "FILE_OTHER_HASH"),
        (picture(kind="JPEG"), {"contentType": "image/png"}, "FILE_OTHER_TYPE"),
        (File(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), {}, "FILE_UNREADABLE"),
        (File(b"<html><script>alert(1)</script></html>"), {"contentType": "image/jpeg"}, "FILE_UNREADABLE"),
        (sound(), {"kind": "VIDEO", "contentType": "video/mp4"}, "FILE_WITHOUT_PICTURE"),
        (picture(), {"kind": "AUDIO", "contentType": "audio/mpeg"}, "FILE_UNREADABLE"),
        (picture(kind="JPEG", width=640)._replace(content=picture(kind="JPEG", width=640).content[:-400]), {}, None),
        (picture_that_claims(20_000, 10_000), {}, "FILE_TOO_LARGE"),
    ],
    ids=["hash", "type", "svg", "html", "sound as video", "picture as sound", "cut", "many pixels"],
)
async def test_bytes_that_are_not_what_was_announced_are_rejected(
    shared: App, file: File, fields: Json, code: str | None
) -> None:
    """For good: the bytes are gone, and the asset is removed when its upload would have ended."""
    asset = await an_asset(shared, file, **fields)
    payload = await act(shared, "completeAsset", asset.id)
    rejected = payload["asset"]
    assert [error["code"] for error in payload["errors"]] == ["UPLOAD_REFUSED"]
    assert (rejected["status"], rejected["media"], payload["upload"]) == ("REJECTED", None, None)
    assert rejected["failure"]["code"] == (code or "FILE_TRUNCATED")
    assert payload["errors"][0]["message"] == rejected["failure"]["message"]
    assert rejected["purgeAfter"] is not None
    assert (await shared.http.head(asset.url)).status_code == 410
    assert await act(shared, "completeAsset", asset.id) == payload


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"contentType": "image/svg+xml"}, "contentType"),
        ({"contentType": "video/mp4"}, "contentType"),
        ({"sizeBytes": 0}, "sizeBytes"),
        ({"sizeBytes": -1}, "sizeBytes"),
        ({"sizeBytes": 2**53 - 1}, "sizeBytes"),
        ({"sha256": "A" * 64}, "sha256"),
        ({"sha256": "0" * 63}, "sha256"),
        ({"name": " "}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"metadata": {"a": "x" * 20_000}}, "metadata"),
        ({"idempotencyKey": ""}, "idempotencyKey"),
    ],
    ids=[
        *("svg", "type of another kind", "empty", "negative", "huge", "upper-case hash", "short hash"),
        *("blank name", "name with NUL", "large metadata", "empty key"),
    ],
)
async def test_invalid_announcements_are_refused_with_the_path(shared: App, fields: Json, path: str) -> None:
    """Nothing is created."""
    before = await listed(shared)
    payload = await create(shared, picture().announcement(**fields))
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [("VALIDATION_FAILED", ["input", path])]
    assert (payload["asset"], payload["upload"]) == (None, None)
    assert await listed(shared) == before


async def listed(app: App) -> int:
    """Return the number of assets."""
    return (await app.execute(LIST, deleted=True))["assets"]["totalCount"]


@pytest.mark.sqlite_alone
async def test_other_names_of_content_types_are_accepted(shared: App) -> None:
    """As browsers and `file` write them."""
    tone = sound(0.25)
    asset = await a_ready_asset(shared, tone._replace(content_type="Audio/X-Wav; codecs=1"))
    assert asset["media"]["contentType"] == "audio/wav"


async def test_repeated_creation_with_a_key_returns_the_first_asset(shared: App) -> None:
    """With a target for its upload while bytes are missing; another request with the key is a conflict."""
    file = picture(colour="navy")
    first = await create(shared, file.announcement(idempotencyKey="navy"))
    again = await create(shared, file.announcement(idempotencyKey="navy"))
    assert again["asset"]["id"] == first["asset"]["id"]
    assert at(shared, again["upload"]["url"]) == at(shared, first["upload"]["url"])
    other = await create(shared, file.announcement(idempotencyKey="navy", name="Other"))
    assert [error["code"] for error in other["errors"]] == ["IDEMPOTENCY_CONFLICT"]
    assert (await shared.http.put(at(shared, first["upload"]["url"]), content=file.content)).status_code == 204
    await act(shared, "completeAsset", first["asset"]["id"])
    done = await create(shared, file.announcement(idempotencyKey="navy"))
    assert (done["asset"]["status"], done["upload"]) == ("READY", None)


async def test_deleted_asset_is_hidden_and_can_be_restored(shared: App) -> None:
    """Until purgeAfter, a week from now. Deleted, it accepts nothing but a restore."""
    asset = await a_ready_asset(shared, picture(colour="plum"), name="Plum")
    payload = await act(shared, "deleteAsset", asset["id"])
    left = datetime.fromisoformat(payload["asset"]["purgeAfter"]) - datetime.now(UTC)
    assert timedelta(days=6) < left < timedelta(days=8)
    assert (await shared.execute(LIST, search="plum"))["assets"]["totalCount"] == 0
    assert (await shared.execute(LIST, search="plum", deleted=True))["assets"]["totalCount"] == 1
    for name in ("deleteAsset", "completeAsset"):
        (error,) = (await act(shared, name, asset["id"]))["errors"]
        assert (error["code"], error["__typename"]) == ("ALREADY_DELETED", "StateError")
    restored = await act(shared, "restoreAsset", asset["id"])
    assert (restored["errors"], restored["asset"]["deletedAt"], restored["asset"]["purgeAfter"]) == ([], None, None)
    (error,) = (await act(shared, "restoreAsset", asset["id"]))["errors"]
    assert error["code"] == "NOT_DELETED"


async def test_waiting_asset_keeps_its_end_over_deletion_and_restore(shared: App) -> None:
    """It is purged when its upload ends, whatever its owner does."""
    waiting = await create(shared, picture().announcement())
    asset_id, end = waiting["asset"]["id"], waiting["asset"]["purgeAfter"]
    assert (await act(shared, "deleteAsset", asset_id))["asset"]["purgeAfter"] == end
    assert (await act(shared, "restoreAsset", asset_id))["asset"]["purgeAfter"] == end


async def test_bytes_of_a_deleted_asset_that_waits_are_dropped(shared: App) -> None:
    """It does not count as waiting, so its bytes must take no room; restored, it waits for a new upload."""
    file = picture(colour="coral")
    asset = await an_asset(shared, file)
    assert (await act(shared, "deleteAsset", asset.id))["errors"] == []
    for method in ("HEAD", "PUT"):
        assert (await shared.http.request(method, asset.url)).status_code == 410
    assert (await act(shared, "restoreAsset", asset.id))["errors"] == []
    again = await act(shared, "completeAsset", asset.id)
    assert [error["code"] for error in again["errors"]] == ["UPLOAD_REFUSED"]
    assert (await shared.http.put(at(shared, again["upload"]["url"]), content=file.content)).status_code == 204
    assert (await act(shared, "completeAsset", asset.id))["asset"]["status"] == "READY"


@pytest.mark.sqlite_alone
async def test_picture_of_a_camera_with_further_pictures_becomes_ready(shared: App) -> None:
    """A JPEG file with previews behind the picture is no animation."""
    preview = Image.new("RGB", (32, 24), "blue")
    asset = await a_ready_asset(
        shared, picture(kind="MPO", save_all=True, append_images=[preview])._replace(content_type="image/jpeg")
    )
    assert (asset["media"]["contentType"], asset["media"]["width"]) == ("image/jpeg", 64)


async def test_assets_are_listed_newest_first_by_pages(shared: App) -> None:
    """By kind, and by a part of the name in any case."""
    made = [await announced(shared, picture(), name=f"Straße {number}") for number in range(3)]
    made.append(await announced(shared, sound(), name="straSSE 3"))
    newest = [asset.id for asset in reversed(made)]
    found: list[str] = []
    after: str | None = None
    for expected_next in (True, False):
        page = (await shared.execute(LIST, first=2, after=after, search="STRASSE"))["assets"]
        found += [node["id"] for node in page["nodes"]]
        after = page["edges"][-1]["cursor"]
        assert page["totalCount"] == 4
        assert page["pageInfo"] == {"hasNextPage": expected_next, "hasPreviousPage": not expected_next}
    assert found == newest
    sounds = (await shared.execute(LIST, search="strasse", kind=["AUDIO"]))["assets"]
    assert [node["id"] for node in sounds["nodes"]] == newest[:1]
    none = (await shared.execute(LIST, search="stra%"))["assets"]
    assert none["nodes"] == []
    back = 'query($c: String) { assets(last: 2, before: $c, search: "strasse") { nodes { id } } }'
    assert [node["id"] for node in (await shared.execute(back, c=after))["assets"]["nodes"]] == newest[1:3]


async def test_unknown_ids_and_foreign_cursors_are_refused(shared: App) -> None:
    """As elsewhere."""
    for name in ("completeAsset", "deleteAsset", "restoreAsset"):
        for asset_id in (NO_ASSET, "asset_1", "", "../../etc/passwd"):
            payload = await act(shared, name, asset_id)
            (error,) = payload["errors"]
            assert (error["code"], error["id"], payload["asset"]) == ("NOT_FOUND", asset_id, None)
    answer = await shared.result(LIST, after="WyJDUkVBVEVEX0FUIiwgImEiLCAiYiJd")
    assert answer["errors"][0]["extensions"]["code"] == "VALIDATION_FAILED"
