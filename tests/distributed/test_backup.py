"""`backup` while a server works, and `restore` elsewhere: the restored server goes on as a killed one does."""

import asyncio
import json
import shutil
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from models.db.database import Database
from models.db.tables import EVENT, JOB, SCENE, TAKE
from providers.port import Provider
from providers.scripted import ScriptedProvider
from tests.support import asset_files, jobs
from tests.support.client import Client, Json
from tests.support.command_line import Ran, invoke
from tests.support.database_choice import database_choice
from tests.support.db_dump import DbDump
from tests.support.fake_providers import Fake, Gate
from tests.support.job_feed import FEED
from tests.support.recorded_takes import check_record, record_of
from tests.support.row_checks import check_rows
from tests.support.s3 import BUCKET, s3
from tests.support.server_app import App, running
from tests.support.waiting import eventually
from tests.support.webhook_calls import hook
from tests.support.webhook_receiver import receiving

pytestmark = pytest.mark.both_databases

SETTINGS: dict[str, Any] = {
    "secret_key": "the secret of a deployment, as long as it must be",
    # On Postgres, renders are taken up when the lease of the lost server is over.
    "lease_seconds": 3,
}
FILE = asset_files.picture(200, 100, "orange")
HALF = len(FILE.content) // 2
OUTPUT = "scenes { nodes { providerId attempts currentTake { output { url sizeBytes } } } }"


@pytest.fixture
def empty(request: pytest.FixtureRequest, database: None, tmp_path: Path) -> Generator[str]:
    """The URL of a database without rows, as an interrupted restore leaves one."""
    if database_choice.distributed:
        with request.getfixturevalue("postgres").blank() as url:
            yield url
    else:
        (tmp_path / "restored.db.restoring").write_bytes(b"the first half of a file")
        yield f"sqlite+aiosqlite:///{tmp_path / 'restored.db'}"


class Before:
    """What a server did until it was backed up. `acknowledged` are the versions of the job `busy`."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.acknowledged = 0

    async def prepare(self, receiver_url: str) -> None:
        """Make one job of each kind, a webhook, an asset, and half an upload."""
        client = self.client
        self.hook = await hook(client, receiver_url, "JOB_UPDATED")
        self.asset = await asset_files.a_ready_asset(client)
        self.upload = await asset_files.announced(client, FILE)
        assert (await asset_files.patch(client, self.upload.url, 0, FILE.content[:HALF])).status_code == 204
        self.done = await jobs.make(client, provider="scripted", start=True)
        await jobs.at_rest(client, self.done.id)
        self.clip = await media_of(client, self.done.id)
        self.waiting = await jobs.make(client, jobs.scene(outcome="stall"), provider="scripted", start=True)
        self.bought = await jobs.make(client, provider="fake", start=True)
        self.busy = await jobs.make(client)

    async def write(self) -> None:
        """Change a job until cancelled."""
        while True:
            self.acknowledged = await jobs.retitle(self.client, self.busy.id, f"Title {self.acknowledged}")
            await asyncio.sleep(0.02)

    @property
    def all(self) -> list[jobs.Made]:
        """The jobs."""
        return [self.done, self.waiting, self.bought, self.busy]


async def media_of(client: Client, job_id: str) -> bytes:
    """Return the clip of a job with one scene."""
    (scene,) = (await jobs.job(client, job_id, OUTPUT))["scenes"]["nodes"]
    answer = await client.http.get(asset_files.at(client, scene["currentTake"]["output"]["url"]))
    assert answer.status_code == 200
    return answer.content


async def test_restored_server_goes_on_where_the_backup_was_made(tmp_path: Path, empty: str) -> None:
    """With the checks of killed servers: logs without gaps, each take recorded once, nothing bought twice.

    The writer writes before, during and after the backup; the original database and files are lost before the restore.
    """
    backup, original = tmp_path / "backup", tmp_path / "original"
    first, second = Fake(Gate().cooperative), Fake()
    async with receiving() as receiver:
        async with running(original, providers_with(first), **SETTINGS) as app:
            before = Before(app)
            await before.prepare(receiver.url)
            await eventually(lambda: first.running == 1)
            acknowledged, later = await back_up(before, backup, settings_of(app))
            reference = await asyncio.to_thread(check_reference, tmp_path / "reference", backup, settings_of(app))
        await lose(original)
        check_folder(backup)
        places: dict[str, Any] = {"database_url": empty, "media_url": str(tmp_path / "media")}
        await restore(backup, {**places, "secret_key": SETTINGS["secret_key"]})
        receiver.received.clear()
        async with running(tmp_path / "restored", providers_with(second), **SETTINGS, **places) as app:
            await assert_goes_on(app, before, acknowledged, later)
            await assert_settles(app, before)
            messages = await receiver.until(lambda got: any(each.place[0] == before.done.id for each in got))
            assert [each.verified(before.hook.secret) for each in messages]
            await assert_recorded(app, before)
        if not database_choice.distributed:
            await asyncio.to_thread(restore_reference, reference, tmp_path)
    assert second.submitted == []
    assert set(second.followed) == set(first.followed)


def providers_with(fake: Fake) -> dict[str, Provider]:
    """Return the providers of a server."""
    return {"scripted": ScriptedProvider(), "fake": fake}


def settings_of(app: App) -> Json:
    """Return the settings of the commands for a server."""
    settings = app.container.settings
    return {
        "database_url": settings.database_url,
        "media_url": settings.media_url,
        "secret_key": SETTINGS["secret_key"],
    }


async def back_up(before: Before, backup: Path, settings: Json) -> tuple[int, int]:
    """Back up while a job changes; return its versions when the backup began, and later than its end."""
    writing = asyncio.create_task(before.write())
    await eventually(lambda: before.acknowledged > before.busy.version)
    acknowledged = before.acknowledged
    ended = await asyncio.to_thread(invoke, "backup", str(backup), **settings)
    assert (ended.status, ended.err) == (0, ""), ended
    assert "Backed up revision" in ended.out
    at_end = before.acknowledged
    await eventually(lambda: before.acknowledged > at_end)
    writing.cancel()
    await asyncio.wait([writing])
    again = await asyncio.to_thread(invoke, "backup", str(backup), **settings)
    assert again == Ran(1, "", f"scenewire: backup: {backup} exists and is not empty\n")
    return acknowledged, (await jobs.job(before.client, before.busy.id, "version"))["version"]


def check_reference(folder: Path, backup: Path, settings: Json) -> Path:
    """Back up without copies of media: the list has the keys and sizes of the backup with copies."""
    ended = invoke("backup", str(folder), "--media", "reference", **settings)
    assert (ended.status, ended.err, "not copied" in ended.out) == (0, "", True), ended
    lists = [(each / "media.jsonl").read_text().splitlines() for each in (folder, backup)]
    listed, copied = ({(file["key"], file["size"]) for file in map(json.loads, lines)} for lines in lists)
    assert (listed, (folder / "media").exists()) == (copied, False)
    return folder


def restore_reference(reference: Path, folder: Path) -> None:
    """Restore the backup without copies: the command reports how many files the store lacks."""
    listed = (reference / "media.jsonl").read_text().splitlines()
    for media, lost in (("media", False), ("empty", True)):
        places = {"database_url": f"sqlite+aiosqlite:///{folder / media}.db", "media_url": folder / media}
        ended = invoke("restore", str(reference), **places, secret_key=SETTINGS["secret_key"])
        assert (ended.status, ended.err) == (0, ""), ended
        assert (f"{len(listed)} media files are missing" in ended.out) is lost, ended.out


async def lose(folder: Path) -> None:
    """Lose the database and all files of a server."""
    if database_choice.distributed:
        database = Database(database_choice.url(folder))
        async with database.maintenance.begin() as connection:
            await connection.exec_driver_sql("DELETE FROM job")
        await database.close()
    shutil.rmtree(folder)


def check_folder(backup: Path) -> None:
    """The backup and its secret are readable by their owner only, and its media are those that rows refer to."""
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert stat.S_IMODE((backup / "secret.key").stat().st_mode) == 0o600
    assert (backup / "secret.key").read_text() == SETTINGS["secret_key"]
    listed = [json.loads(line) for line in (backup / "media.jsonl").read_text().splitlines()]
    assert {file["key"] for file in listed} == {
        str(path.relative_to(backup / "media")) for path in (backup / "media").rglob("*") if path.is_file()
    }
    assert not list(backup.parent.glob("*.partial"))


async def restore(backup: Path, settings: dict[str, str]) -> None:
    """Refuse a damaged backup and another secret, and change nothing; then restore, and refuse to do it again."""
    (table,) = [path for path in (backup / "database").iterdir() if path.name in ("job.copy", "scenewire.db")]
    content = table.read_bytes()
    table.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    damaged = await asyncio.to_thread(invoke, "restore", str(backup), **settings)
    assert (damaged.status, damaged.out) == (1, "")
    assert damaged.err.startswith(f"scenewire: restore: {table} is damaged")
    table.write_bytes(content)
    other = await asyncio.to_thread(
        invoke, "restore", str(backup), **{**settings, "secret_key": SETTINGS["secret_key"][::-1]}
    )
    assert (other.status, "is not the secret of the backup" in other.err) == (1, True)
    assert not (backup.parent / "media").exists()
    ended = await asyncio.to_thread(invoke, "restore", str(backup), **settings)
    assert (ended.status, ended.err) == (0, ""), ended
    assert "4 jobs" in ended.out
    again = await asyncio.to_thread(invoke, "restore", str(backup), **settings)
    assert (again.status, again.out, "has rows in" in again.err) == (1, "", True), again


async def assert_goes_on(client: Client, before: Before, acknowledged: int, later: int) -> None:
    """Streams resume by version, one that is ahead begins with a snapshot, files are there, the upload continues."""
    version = (await jobs.job(client, before.busy.id, "version"))["version"]
    assert acknowledged <= version < later
    assert [event["version"] for event in await jobs.log(client, before.busy.id)] == list(range(1, version + 1))
    async with client.subscribe(FEED, jobId=before.busy.id, after=version - 1) as stream:
        assert (await stream.next())["jobEvents"]["version"] == version
    async with client.subscribe(FEED, jobId=before.busy.id, after=later) as stream:
        first = (await stream.next())["jobEvents"]
        assert (first["kind"], first["reason"], first["version"]) == ("JobSnapshot", "LOG_TRUNCATED", version)
    assert await media_of(client, before.done.id) == before.clip
    picture = await client.http.get(asset_files.at(client, before.asset["media"]["url"]))
    assert (picture.status_code, len(picture.content)) == (200, before.asset["media"]["sizeBytes"])
    upload = asset_files.at(client, before.upload.url)
    assert await asset_files.offset(client, upload) == HALF
    assert (await asset_files.patch(client, upload, HALF, FILE.content[HALF:])).status_code == 204
    completed = await asset_files.act(client, "completeAsset", before.upload.id)
    assert completed["asset"]["sha256"] == FILE.sha256


async def assert_settles(client: Client, before: Before) -> None:
    """The bought clip is fetched, the render that was running is taken up and can be canceled."""
    assert await jobs.settled(client, before.bought.id) == "COMPLETED"
    (scene,) = (await jobs.job(client, before.bought.id, OUTPUT))["scenes"]["nodes"]
    assert scene["attempts"] == 1

    async def taken_up() -> bool:
        (waiting,) = (await jobs.job(client, before.waiting.id, "scenes { nodes { percentage } }"))["scenes"]["nodes"]
        return waiting["percentage"] is not None

    await eventually(taken_up)
    await jobs.change(client, "cancelJob", jobId=before.waiting.id)
    await jobs.change(client, "cancelJob", jobId=before.busy.id)
    await jobs.retitle(client, before.done.id, "After the restore")


async def assert_recorded(app: App, before: Before) -> None:
    """The rows keep what killed servers keep: see the tests of faults and the chaos test."""
    for made in before.all:
        check_record(*await record_of(app.container.store, made.id))
    async with app.container.store.read() as connection:
        tables = [(await connection.execute(sa.select(table))).mappings().all() for table in (JOB, SCENE, TAKE, EVENT)]
    jobs_, scenes, takes, events = ([dict(row) for row in rows] for rows in tables)
    scenes.sort(key=lambda row: row["position"])
    takes.sort(key=lambda row: (row["scene_id"], row["number"]))
    events.sort(key=lambda row: row["version"])
    assert [str(violation) for violation in check_rows(DbDump(jobs_, scenes, takes, events))] == []


@pytest.mark.sqlite_alone
async def test_files_go_from_a_bucket_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: None) -> None:
    """With their content types. Those that the bucket still has are not written again."""
    async with s3(monkeypatch) as bucket:
        async with running(tmp_path, media_url=f"s3://{BUCKET}/scenes", **SETTINGS) as app:
            made = await jobs.make(app, start=True)
            await jobs.at_rest(app, made.id)
            settings = settings_of(app)
            ended = await asyncio.to_thread(invoke, "backup", str(tmp_path / "backup"), **settings)
            assert (ended.status, ended.err) == (0, ""), ended
        before = {key: stored for key, stored in bucket.objects.items() if made.id in key}
        bucket.objects = {key: stored for key, stored in before.items() if key.endswith(".webp")}
        bucket.requests.clear()
        settings |= {"database_url": f"sqlite+aiosqlite:///{tmp_path / 'restored.db'}"}
        ended = await asyncio.to_thread(invoke, "restore", str(tmp_path / "backup"), **settings)
        assert (ended.status, ended.err) == (0, ""), ended
        assert bucket.objects == before
        written = [request for request in bucket.requests if request.startswith("PUT")]
        assert len(written) == sum(key.endswith(".mp4") for key in before) > 0
