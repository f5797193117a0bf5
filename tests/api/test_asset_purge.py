"""Assets and uploads are removed when their time is over, with their files; none is deleted while it is used."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from coordinator.assets import purge
from coordinator.clock import correct_ages
from coordinator.storage.purge import delete_files
from models.db.asset_tables import ASSET, UPLOAD
from models.db.clock import now
from models.db.tables import DISCARDED_MEDIA
from tests.support.asset_files import File, a_ready_asset, act, an_asset, announced, create, picture
from tests.support.factories import accepted
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases, pytest.mark.thorough_on_postgres]

PAST = timedelta(seconds=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the server."""
    return tmp_path_factory.mktemp("assets")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, folder: Path) -> AsyncGenerator[App]:
    """A server."""
    async with running(folder, renders=False) as app:
        yield app


async def expire(app: App, asset_id: str) -> None:
    """Let the time of an asset and of its upload be over, and purge; files are deleted without a pause."""
    over = now() - PAST
    async with app.container.store.write() as connection:
        upload_id = sa.select(ASSET.c.upload_id).where(ASSET.c.id == asset_id).scalar_subquery()
        await connection.execute(sa.update(UPLOAD).where(UPLOAD.c.id == upload_id).values(expires_at=over))
        await connection.execute(sa.update(ASSET).where(ASSET.c.id == asset_id).values(purge_after=over))
    await purge.purge(app.container.store)
    async with app.container.store.write() as connection:
        await connection.execute(sa.update(DISCARDED_MEDIA).values(discarded_at=now() - PAST))
    await delete_files(app.container.store, app.container.media, timedelta(0))


async def exists(app: App, asset_id: str) -> bool:
    """Return whether the asset is there, deleted or not."""
    document = "query($id: ID!) { node(id: $id) { id } }"
    return (await app.execute(document, id=asset_id))["node"] is not None


def files(folder: Path) -> set[str]:
    """Return the keys of all stored files."""
    media = folder / "media"
    return {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}


async def test_purge_does_not_wait_for_an_asset_that_another_transaction_has(app: App) -> None:
    """Two that wait for the assets of each other would end in a deadlock. It is removed by the next purge."""
    store = app.container.store
    if store.database.embedded:
        pytest.skip("SQLite has one writer at a time.")
    # Without bytes, which would stay until their files are deleted.
    held, other = [(await create(app, picture().announcement()))["asset"]["id"] for _ in range(2)]
    async with store.write() as holding:
        # It lets others write to the row, so that no purge of the server finds the asset due before it is locked.
        lock = sa.select(ASSET.c.id).where(ASSET.c.id == held).with_for_update(read=True, key_share=True)
        assert (await holding.execute(lock)).scalar_one() == held
        async with store.write() as connection:
            over = sa.update(ASSET).where(ASSET.c.id.in_([held, other])).values(purge_after=now() - PAST)
            await connection.execute(over)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await purge.purge(store)
        assert (await exists(app, held), await exists(app, other)) == (True, False)
    await purge.purge(store)
    assert not await exists(app, held)


async def test_upload_that_is_never_completed_is_removed(app: App, folder: Path) -> None:
    """Its row, its bytes and the asset; a client that continues the upload gets an error."""
    before = files(folder)
    asset = await an_asset(app)
    assert files(folder) > before
    await expire(app, asset.id)
    assert not await exists(app, asset.id)
    assert files(folder) == before
    assert (await app.http.put(asset.url, content=b"")).status_code == 410


async def test_deleted_asset_is_removed_after_its_recovery_window(app: App, folder: Path) -> None:
    """With its poster; the bytes of its upload are gone before."""
    before = files(folder)
    asset = await a_ready_asset(app, picture(colour="lime"))
    await act(app, "deleteAsset", asset["id"])
    await purge.purge(app.container.store)
    assert await exists(app, asset["id"]), "its window is not over"
    await expire(app, asset["id"])
    assert not await exists(app, asset["id"])
    assert files(folder) == before


async def test_rejected_asset_is_removed_with_its_bytes(app: App, folder: Path) -> None:
    """When its upload would have ended."""
    before = files(folder)
    asset = await an_asset(app, File(b"no picture"))
    assert (await act(app, "completeAsset", asset.id))["asset"]["status"] == "REJECTED"
    await expire(app, asset.id)
    assert not await exists(app, asset.id)
    assert files(folder) == before


async def test_shared_file_stays_until_its_last_asset_is_removed(app: App, folder: Path) -> None:
    """In either order."""
    before, file = files(folder), picture(colour="gold")
    first = await a_ready_asset(app, file)
    second = (await create(app, file.announcement(sha256=file.sha256)))["asset"]
    await expire(app, first["id"])
    kept = files(folder) - before
    assert len(kept) == 2, "the picture and its poster"
    third = (await create(app, file.announcement(sha256=file.sha256)))["asset"]
    assert third["status"] == "READY"
    await expire(app, second["id"])
    assert files(folder) - before == kept
    await expire(app, third["id"])
    assert files(folder) == before


async def test_ready_asset_has_no_end(app: App) -> None:
    """The end of its upload is not its own."""
    asset = await an_asset(app, picture(colour="pink"))
    async with app.container.store.write() as connection:
        await connection.execute(sa.update(UPLOAD).values(expires_at=now() + timedelta(seconds=3600)))
    await act(app, "completeAsset", asset.id)
    async with app.container.store.read() as connection:
        ends = await connection.execute(sa.select(ASSET.c.purge_after).where(ASSET.c.id == asset.id))
    assert list(ends.scalars()) == [None]


async def test_used_asset_cannot_be_deleted(app: App) -> None:
    """While a live scene of a live job names it: ASSET_IN_USE, and it stays."""
    asset = await a_ready_asset(app, picture(colour="cyan"))
    inputs = [{"role": "FIRST_FRAME", "assetId": asset["id"]}]
    scenes = [{"prompt": "One", "inputs": inputs}, {"prompt": "Two", "inputs": inputs}]
    fields = "job { id scenes { nodes { id } } }"
    job = (await accepted(app, "createJob", fields, title="Uses", provider="external", scenes=scenes))["job"]
    first, second = (node["id"] for node in job["scenes"]["nodes"])

    async def refused() -> bool:
        payload = await act(app, "deleteAsset", asset["id"])
        assert (payload["asset"]["deletedAt"] is None) == bool(payload["errors"])
        return [error["code"] for error in payload["errors"]] == ["ASSET_IN_USE"]

    assert await refused()
    await accepted(app, "deleteScene", sceneId=first)
    assert await refused()
    await accepted(app, "updateScene", sceneId=second, inputs=[])
    assert not await refused()
    await act(app, "restoreAsset", asset["id"])
    await accepted(app, "updateScene", sceneId=second, inputs=inputs)
    assert await refused()
    await accepted(app, "deleteJob", jobId=job["id"])
    assert not await refused()


async def test_deleted_asset_stays_while_a_restored_scene_uses_it(app: App) -> None:
    """The scene was deleted first, so that the asset could be."""
    asset = await a_ready_asset(app, picture(colour="ivory"))
    scenes = [{"prompt": "One", "inputs": [{"role": "FIRST_FRAME", "assetId": asset["id"]}]}, {"prompt": "Two"}]
    fields = "job { scenes { nodes { id } } }"
    job = (await accepted(app, "createJob", fields, title="Uses", provider="external", scenes=scenes))["job"]
    scene_id = job["scenes"]["nodes"][0]["id"]
    await accepted(app, "deleteScene", sceneId=scene_id)
    assert (await act(app, "deleteAsset", asset["id"]))["errors"] == []
    await accepted(app, "restoreScene", sceneId=scene_id)
    await expire(app, asset["id"])
    assert await exists(app, asset["id"])
    await accepted(app, "deleteScene", sceneId=scene_id)
    await expire(app, asset["id"])
    assert not await exists(app, asset["id"])


async def test_asset_that_is_not_ready_is_no_input(app: App) -> None:
    """Waiting, rejected or deleted: VALIDATION_FAILED with the path."""
    waiting = await announced(app, picture())
    scenes = [{"prompt": "One", "inputs": [{"role": "FIRST_FRAME", "assetId": waiting.id}]}]
    payload = await app.mutate("createJob", "errors { code path }", title="Uses", provider="external", scenes=scenes)
    path = ["input", "scenes", "0", "inputs", "0", "assetId"]
    assert payload["errors"] == [{"code": "VALIDATION_FAILED", "path": path}]


async def test_spans_that_began_in_the_future_begin_again(app: App) -> None:
    """After the clock of the database went back: an upload ends no later than if it began now."""
    ahead = timedelta(days=30)
    asset = await announced(app, picture())
    async with app.container.store.write() as connection:
        for table, end in ((ASSET, ASSET.c.purge_after), (UPLOAD, UPLOAD.c.expires_at)):
            later = {"created_at": now() + ahead, end.name: now() + ahead + timedelta(hours=24)}
            await connection.execute(sa.update(table).values(later))
    await correct_ages(app.container.store)
    async with app.container.store.read() as connection:
        query = sa.select(ASSET.c.purge_after, UPLOAD.c.expires_at).join(UPLOAD, UPLOAD.c.id == ASSET.c.upload_id)
        (ends,) = (await connection.execute(query.where(ASSET.c.id == asset.id))).all()
    assert max(ends) < now() + timedelta(hours=25)
    assert await exists(app, asset.id)
