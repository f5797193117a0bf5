"""Uploads to a bucket: by an address that it has signed, and through the server where it cannot or must not."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from coordinator.assets import gathering
from tests.support.asset_files import Announced, act, announced, at, create, patch, picture
from tests.support.client import Json
from tests.support.s3 import BUCKET, Bucket, s3
from tests.support.server_app import App, running

MEDIA_URL = f"s3://{BUCKET}/scenes"
FILE = picture(120, 80, "orange", "JPEG")


@pytest.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Bucket]:
    """A bucket whose credentials are in the environment."""
    async with s3(monkeypatch) as bucket:
        yield bucket


@pytest.fixture
async def app(tmp_path: Path, bucket: Bucket) -> AsyncGenerator[App]:
    """A server whose media are in the bucket."""
    async with running(tmp_path, media_url=MEDIA_URL, renders=False) as app:
        yield app


async def put(upload: Json, content: bytes, url: str | None = None) -> int:
    """Send the bytes as the target says; return the status."""
    headers = {header["name"]: header["value"] for header in upload["headers"]}
    async with httpx.AsyncClient() as client:
        return (
            await client.request(upload["method"], url or upload["url"], content=content, headers=headers)
        ).status_code


async def test_bytes_go_to_the_bucket_itself(app: App, bucket: Bucket) -> None:
    """By an address that is valid for an hour; what is kept is a copy that the client cannot write to."""
    payload = await create(app, FILE.announcement(sha256=FILE.sha256))
    upload = payload["upload"]
    query = parse_qs(urlsplit(str(upload["url"])).query)
    assert (upload["resumable"], upload["method"]) == (False, "PUT")
    assert upload["url"].startswith(f"{bucket.url}/{BUCKET}/scenes/uploads/upload_")
    assert query["X-Amz-Expires"] == ["3600"]
    left = datetime.fromisoformat(upload["expiresAt"]) - datetime.now(UTC)
    assert 3000 < left.total_seconds() <= 3600
    asset_id = payload["asset"]["id"]
    early = await act(app, "completeAsset", asset_id)
    assert [error["code"] for error in early["errors"]] == ["UPLOAD_REFUSED"]
    assert await put(upload, FILE.content) == 200
    ready = (await act(app, "completeAsset", asset_id))["asset"]
    assert ready["status"] == "READY"
    assert await put(upload, b"something else, after it was looked at") == 200
    async with httpx.AsyncClient(follow_redirects=True) as client:
        assert (await client.get(at(app, ready["media"]["url"]))).content == FILE.content


async def test_address_of_the_bucket_is_for_one_file_and_one_method(app: App, bucket: Bucket) -> None:
    """Other keys and methods do not fit the signature."""
    upload = (await create(app, FILE.announcement()))["upload"]
    assert await put(upload, b"", upload["url"].replace("/uploads/", "/assets/")) == 403
    async with httpx.AsyncClient() as client:
        assert (await client.get(upload["url"])).status_code == 403
        assert (await client.delete(upload["url"])).status_code == 403


@pytest.mark.parametrize(("content", "code"), [(b"x", None), (FILE.content + b"x", "FILE_OTHER_SIZE")])
async def test_other_sizes_than_announced_are_not_kept(
    app: App, bucket: Bucket, content: bytes, code: str | None
) -> None:
    """The signature does not bind the size: what is missing can still be sent, too much is rejected."""
    payload = await create(app, FILE.announcement())
    assert await put(payload["upload"], content) == 200
    completed = (await act(app, "completeAsset", payload["asset"]["id"]))["asset"]
    assert (completed["failure"] and completed["failure"]["code"]) == code
    assert completed["status"] == ("WAITING" if code is None else "REJECTED")
    assert not [key for key in bucket.objects if "/assets/" in key]


async def test_file_that_is_too_large_is_not_copied(app: App, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is rejected by the size that the bucket reports, so that it does not fill the disk of the server."""
    hashed: list[Path] = []
    monkeypatch.setattr(gathering, "_as_it_is", hashed.append)
    payload = await create(app, FILE.announcement())
    assert await put(payload["upload"], FILE.content + b"x") == 200
    rejected = (await act(app, "completeAsset", payload["asset"]["id"]))["asset"]
    assert (rejected["failure"]["code"], hashed) == ("FILE_OTHER_SIZE", [])


async def resumed(app: App) -> None:
    """Upload a file in two parts through the server, and complete it."""
    asset: Announced = await announced(app, FILE)
    assert urlsplit(asset.url).path.startswith("/uploads/")
    assert (await patch(app, asset.url, 0, FILE.content[:100])).status_code == 204
    assert (await patch(app, asset.url, 100, FILE.content[100:])).status_code == 204
    assert (await act(app, "completeAsset", asset.id))["asset"]["status"] == "READY"


async def test_bytes_can_pass_through_the_server(tmp_path: Path, bucket: Bucket) -> None:
    """Where the setting says so: then uploads resume, and their parts are in the bucket."""
    async with running(tmp_path, media_url=MEDIA_URL, renders=False, direct_uploads=False) as app:
        await resumed(app)
    assert len([key for key in bucket.objects if "/part_" in key]) == 2


async def test_bytes_pass_through_the_server_when_the_bucket_cannot_sign(tmp_path: Path) -> None:
    """Such as one in memory."""
    async with running(tmp_path, media_url="memory:///", renders=False) as app:
        await resumed(app)


async def test_bucket_that_does_not_answer_loses_nothing(app: App, bucket: Bucket) -> None:
    """The completion fails with UNAVAILABLE, and succeeds when the bucket is back."""
    payload = await create(app, FILE.announcement())
    assert await put(payload["upload"], FILE.content) == 200
    bucket.available = False
    document = "mutation($id: ID!) { completeAsset(input: {assetId: $id}) { asset { status } } }"
    answer = await app.result(document, id=payload["asset"]["id"])
    assert answer["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    bucket.available = True
    assert (await act(app, "completeAsset", payload["asset"]["id"]))["asset"]["status"] == "READY"
