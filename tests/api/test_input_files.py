"""The files that providers get for the inputs of a take: assets, and pictures of earlier takes."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from coordinator.assets.input_files import InputFiles
from providers.catalogue import InputRole
from providers.port import Failure
from tests.support import jobs
from tests.support.asset_files import a_ready_asset, picture
from tests.support.clip_provider import ClipProvider, clip
from tests.support.factories import NO_ASSET, NO_TAKE
from tests.support.server_app import App, running


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A server whose provider delivers clips in one colour."""
    async with running(tmp_path, {"scripted": ClipProvider()}) as app:
        yield app


def files_of(app: App, address: str | None = None) -> InputFiles:
    """The files of this server, with an address from outside if it is given."""

    def from_outside(key: str, lifetime: timedelta) -> str | None:
        assert lifetime >= timedelta(hours=1)
        return None if address is None else address + key

    return InputFiles(app.container.store, app.container.media, from_outside)


async def test_asset_is_given_as_a_file_and_by_its_address(app: App, tmp_path: Path) -> None:
    """With the type of its bytes, its size, its role and its name."""
    file = picture(colour="orange")
    asset = await a_ready_asset(app, file)
    given = {"role": "REFERENCE", "name": "kite", "asset_id": asset["id"]}
    (found,) = await files_of(app, "https://scenes.test/media/").of([given], tmp_path)
    assert (found.role, found.name, found.content_type) == (InputRole.REFERENCE, "kite", "image/png")
    assert found.size_bytes == len(file.content)
    path = await found.path()
    assert path.parent == tmp_path
    assert path.read_bytes() == file.content
    assert await found.path() == path
    assert (await found.url() or "").startswith(f"https://scenes.test/media/assets/{asset['id']}_")
    (local,) = await files_of(app).of([given], tmp_path)
    assert await local.url() is None


async def test_take_is_given_as_a_picture_of_its_clip(app: App, tmp_path: Path) -> None:
    """The last one, or the one at a time: upright PNG, which is made once and kept beside the clip."""
    made = await jobs.make(app, clip("blue"), start=True)
    assert await jobs.settled(app, made.id) == "COMPLETED"
    selection = "scenes { nodes { currentTake { id } output { width height } } }"
    (node,) = (await jobs.job(app, made.id, selection))["scenes"]["nodes"]
    take_id, size = node["currentTake"]["id"], (node["output"]["width"], node["output"]["height"])
    inputs = [
        {"role": "FIRST_FRAME", "take_id": take_id},
        {"role": "LAST_FRAME", "take_id": take_id, "at_seconds": 0.1},
        {"role": "SOURCE_VIDEO", "take_id": take_id},
    ]
    last, first, whole = await files_of(app).of(inputs, tmp_path)
    for found in (last, first):
        with Image.open(await found.path()) as image:
            assert (image.format, image.size, found.content_type) == ("PNG", size, "image/png")
            red, green, blue = image.convert("RGB").tobytes()[:3]
            assert blue > 200
            assert max(red, green) < 60
    assert whole.content_type == "video/mp4"
    kept = written_at(tmp_path / "media", take_id)
    assert len(kept) == 2
    await files_of(app).of(inputs, tmp_path)
    assert written_at(tmp_path / "media", take_id) == kept


def written_at(media: Path, take_id: str) -> dict[Path, int]:
    """Return the kept pictures of a take, and when they were written."""
    return {path: path.stat().st_mtime_ns for path in media.rglob(f"{take_id}.*.png")}


@pytest.mark.parametrize("gone", [{"asset_id": NO_ASSET}, {"take_id": NO_TAKE}], ids=["asset", "take"])
async def test_input_that_is_gone_fails_the_take(app: App, tmp_path: Path, gone: dict[str, str]) -> None:
    """For good: it was there when the scene was changed."""
    with pytest.raises(Failure) as caught:
        await files_of(app).of([{"role": "FIRST_FRAME", **gone}], tmp_path)
    assert (caught.value.code, caught.value.retryable) == ("INPUT_MISSING", False)
