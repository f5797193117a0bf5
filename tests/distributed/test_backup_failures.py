"""`backup` and `restore` where something is wrong: a kill at each step, damaged folders, the wrong places."""

import asyncio
import contextlib
import hashlib
import json
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from models import migrations
from models.db.database import Database
from models.migrations.run import downgrade, upgrade
from server.backup import secret
from server.settings import Settings
from tests.support.command_line import Ran, invoke
from tests.support.os_processes import on_linux
from tests.support.postgres import Databases
from tests.support.server_process import ROOT
from tests.support.waiting import TIMEOUT_SECONDS

SECRET = "the secret of a deployment, as long as it must be"
KEY = "assets/asset_00000000000000000000000000_000000000000.png"
CONTENT = b"the picture"
# What a command does in place of a step.
KILLED = """
import os, signal
from server.backup import sqlite_database
sqlite_database.{step} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from server.cli import app
app()
"""


def insert_asset(path: Path) -> None:
    """Insert an asset; columns that need a value and do not matter here get one of their kind."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        columns = database.execute("PRAGMA table_info(asset)").fetchall()
        row: dict[str, object] = {
            str(name): 0 if "INT" in kind else "" for _, name, kind, needed, _, _ in columns if needed
        }
        row |= {"id": "asset_1", "kind": "IMAGE", "status": "READY", "media": json.dumps({"key": KEY})}
        statement = f"INSERT INTO asset ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"  # noqa: S608 # our names
        database.execute(statement, list(row.values()))


@pytest.fixture(scope="module")
def with_asset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with one asset."""
    path = tmp_path_factory.mktemp("database") / "scenes.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    insert_asset(path)
    return path


@pytest.fixture
def source(tmp_path: Path, with_asset: Path) -> dict[str, Any]:
    """The settings of a deployment with one asset."""
    folder = tmp_path / "source"
    folder.mkdir()
    path = Path(shutil.copy(with_asset, folder))
    (folder / "media" / KEY).parent.mkdir(parents=True)
    (folder / "media" / KEY).write_bytes(CONTENT)
    return {"database_url": f"sqlite+aiosqlite:///{path}", "media_url": folder / "media", "secret_key": SECRET}


@pytest.fixture
def backup(source: dict[str, Any], tmp_path: Path) -> Path:
    """Its backup."""
    ended = invoke("backup", str(tmp_path / "backup"), **source)
    assert (ended.status, ended.err) == (0, ""), ended
    return tmp_path / "backup"


@pytest.fixture
def target(tmp_path: Path) -> dict[str, Any]:
    """The settings of an empty deployment."""
    database_url = f"sqlite+aiosqlite:///{tmp_path / 'target' / 'scenes.db'}"
    return {"database_url": database_url, "media_url": tmp_path / "target" / "media", "secret_key": SECRET}


def restore(backup: Path, settings: dict[str, Any]) -> Ran:
    """Restore; the message of a failure is one line."""
    ended = invoke("restore", str(backup), **settings)
    assert ended.err.count("\n") == (1 if ended.status else 0), ended
    return ended


def assets(settings: dict[str, Any]) -> list[str]:
    """Return the ids of the assets in a database."""
    with contextlib.closing(sqlite3.connect(settings["database_url"].partition("///")[2])) as database:
        return [str(key) for (key,) in database.execute("SELECT id FROM asset")]


def change(backup: Path, name: str, content: bytes | None = None, **values: object) -> None:
    """Change the manifest, and a file with its sum in it."""
    file = backup / "manifest.json"
    manifest = json.loads(file.read_text()) | values
    if content is not None:
        (backup / name).write_bytes(content)
        manifest["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    file.write_text(json.dumps(manifest))


@on_linux
@pytest.mark.parametrize("step", ["_copy_beside", "flush_folder"], ids=["before the database", "after the database"])
def test_killed_restore_is_repeated(backup: Path, target: dict[str, Any], step: str) -> None:
    """Media and the secret come first; once the database is in its place, everything is there."""
    environment = {f"SCENEWIRE_{name.upper()}": str(value) for name, value in target.items()}
    command = [sys.executable, "-c", KILLED.format(step=step), "restore", str(backup)]
    killed = subprocess.run(command, cwd=ROOT, env=environment, check=False, timeout=TIMEOUT_SECONDS)
    assert killed.returncode == -9
    ended = restore(backup, target)
    if step == "flush_folder":
        assert "has rows in asset" in ended.err
    else:
        assert ended.status == 0, ended
    assert assets(target) == ["asset_1"]
    assert (target["media_url"] / KEY).read_bytes() == CONTENT


def test_secret_gets_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    """Where no setting has it; a restore that was killed while it wrote the file has left no half of it."""
    folder, key_file = tmp_path / "backup", tmp_path / "var" / "secret.key"
    folder.mkdir()
    with_secret, without = (Settings.model_validate({"secret_key": each, "auth_secret": ""}) for each in (SECRET, ""))
    secret.back_up(with_secret, folder)
    key_file.parent.mkdir()
    (key_file.parent / "secret.key.restoring").write_bytes(b"half")
    secret.check(without, folder, key_file)
    secret.restore(without, folder, key_file)
    assert key_file.read_text() == SECRET
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert [file.name for file in key_file.parent.iterdir()] == ["secret.key"]
    secret.check(without, folder, key_file)
    # Neither file replaces another one.
    secret.restore(with_secret, folder, tmp_path / "other" / "secret.key")
    assert not (tmp_path / "other").exists()


def test_folders_that_no_backup_made_are_refused(backup: Path, target: dict[str, Any], tmp_path: Path) -> None:
    """Those that lack a file that they do not name, or name one outside of the backup; nothing is written then."""
    intact, lost = tmp_path / "intact", tmp_path / "target"
    shutil.copytree(backup, intact)
    manifest = json.loads((backup / "manifest.json").read_text())
    files = manifest["files"]
    outside = json.dumps({"key": "../../outside.png", "size": 1, "sha256": ""}).encode()
    listed = (backup / "media.jsonl").read_bytes()
    crafted: list[tuple[str, bytes | None, dict[str, object]]] = [
        ("", None, {"files": {name: files[name] for name in files if name != "database/scenewire.db"}}),
        ("", None, {"files": {name: files[name] for name in files if name != "media.jsonl"}}),
        ("", None, {"files": files | {"../intact/manifest.json": files["media.jsonl"]}}),
        ("", None, {"files": files | {"/etc/passwd": files["media.jsonl"]}}),
        ("", None, {"tables": manifest["tables"] | {'job"; DROP TABLE job; --': manifest["tables"]["job"]}}),
        ("", None, {"tables": {}}),
        ("media.jsonl", outside, {}),
        ("media.jsonl", outside, {"media": "reference"}),
        ("media.jsonl", listed.replace(b"assets/", b"/assets/"), {}),
        ("media.jsonl", listed[:-5], {}),
    ]
    for name, content, values in crafted:
        change(backup, name, content, **values)
        ended = restore(backup, target)
        assert (ended.status, ended.out) == (1, ""), (name, values, ended)
        assert not lost.exists() or not list(lost.rglob("*.png"))
        shutil.rmtree(backup)
        shutil.copytree(intact, backup)
    (backup / "media" / KEY).write_bytes(CONTENT[::-1])
    assert "is damaged" in restore(backup, target).err


def test_database_of_another_program_is_not_replaced(backup: Path, target: dict[str, Any]) -> None:
    """Although it has no rows in the tables that a backup has."""
    path = Path(target["database_url"].partition("///")[2])
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE invoice (id)")
    before = path.read_bytes()
    ended = restore(backup, target)
    assert (ended.status, "is the database of another program" in ended.err) == (1, True), ended
    assert path.read_bytes() == before


def test_damaged_files_of_a_folder_are_restored(backup: Path, target: dict[str, Any]) -> None:
    """Those that have the right size and another content."""
    stored = target["media_url"] / KEY
    stored.parent.mkdir(parents=True)
    stored.write_bytes(CONTENT[::-1])
    assert restore(backup, target).status == 0
    assert stored.read_bytes() == CONTENT


def test_refusal_of_the_media_store_has_its_cause(backup: Path, target: dict[str, Any]) -> None:
    """Of a folder where a file is in the way; the database is not touched."""
    target["media_url"].mkdir(parents=True)
    (target["media_url"] / "assets").write_bytes(b"")
    ended = restore(backup, target)
    assert (ended.status, "Cause: " in ended.err, "assets" in ended.err) == (1, True, True), ended
    assert not Path(target["database_url"].partition("///")[2]).exists()


def test_volume_that_is_not_mounted_is_no_empty_backup(source: dict[str, Any], tmp_path: Path) -> None:
    """Its folder is there, and has none of the files."""
    ended = invoke("backup", str(tmp_path / "backup"), **source | {"media_url": tmp_path / "unmounted"})
    assert (ended.status, "has none of the 1 media files" in ended.err) == (1, True), ended
    assert not list(tmp_path.glob("backup*"))


def test_links_are_followed_and_mounts_refused(source: dict[str, Any], tmp_path: Path) -> None:
    """Before anything is copied: neither is replaced by the rename at the end."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert invoke("backup", str(tmp_path / "link"), **source).status == 0
    assert (tmp_path / "elsewhere" / "manifest.json").exists()
    assert "is a mount point" in invoke("backup", "/", **source).err


def test_older_backup_is_migrated(backup: Path, target: dict[str, Any]) -> None:
    """From the revision before the newest one."""
    older = migrations.known()[-2]
    engine = sa.create_engine(f"sqlite:///{backup / 'database' / 'scenewire.db'}")
    with engine.begin() as connection:
        downgrade(connection, older)
        existing = sa.inspect(connection).get_table_names()
    engine.dispose()
    listed = json.loads((backup / "manifest.json").read_text())["tables"]
    tables = {name: table for name, table in listed.items() if name in existing}
    content = (backup / "database" / "scenewire.db").read_bytes()
    change(backup, "database/scenewire.db", content, revision=older, tables=tables)
    ended = restore(backup, target)
    assert (ended.status, f"at revision {migrations.newest()}" in ended.out) == (0, True), ended
    assert assets(target) == ["asset_1"]
    change(backup, "", revision="9999")
    assert "revisions up to" in restore(backup, target).err


def test_settings_of_a_database_do_not_change_its_backup(tmp_path: Path, postgres: Databases) -> None:
    """A date of the style DMY would be read as MDY elsewhere."""
    alter = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET datestyle = ''SQL, DMY''', current_database()); END $$"
    insert_mark = "INSERT INTO discardedmedia (key, discarded_at) VALUES ('probe', '2026-04-03 10:00:00+00')"

    async def run(url: str, *statements: str) -> list[Any]:
        database = Database(url)
        try:
            async with database.maintenance.begin() as connection:
                results = [await connection.exec_driver_sql(statement) for statement in statements]
                return list(results[-1].all()) if results[-1].returns_rows else []
        finally:
            await database.close()

    settings = {"media_url": tmp_path / "media", "secret_key": SECRET}
    with postgres.fresh() as url, postgres.blank() as restored:
        asyncio.run(run(url, alter, insert_mark))
        ended = invoke("backup", str(tmp_path / "backup"), database_url=url, **settings)
        assert (ended.status, ended.err) == (0, ""), ended
        assert "2026-04-03 " in (tmp_path / "backup" / "database" / "discardedmedia.copy").read_text()
        ended = invoke("restore", str(tmp_path / "backup"), database_url=restored, **settings)
        assert (ended.status, ended.err) == (0, ""), ended
        (mark,) = asyncio.run(run(restored, "SELECT discarded_at FROM discardedmedia"))
        assert (mark[0].month, mark[0].day) == (4, 3)
