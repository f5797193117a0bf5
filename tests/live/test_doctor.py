"""The command `doctor`: what it finds where all is well, and where nothing is."""

import asyncio
import json
import os
import socket
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from models import migrations
from models.db import clock
from providers.clips.encoding import VideoCodec
from server.commands.doctor import clips, database, doctor, setup
from server.commands.doctor.findings import Check, Finding, Findings, State
from server.settings import Settings
from tests.support.cli import run
from tests.support.client import Json
from tests.support.comfyui import EXAMPLES, comfyui
from tests.support.command_line import invoke
from tests.support.fake_service import running
from tests.support.fal import MODEL, FakeFal
from tests.support.migrated_file import create_migrated
from tests.support.openrouter import FakeOpenRouter
from tests.support.postgres import Databases
from tests.support.replicate import FakeReplicate
from tests.support.replicate_state import OFFICIAL, TOKEN
from tests.support.s3 import BUCKET, SECRET, s3
from tests.support.token_issuer import Issuer, issuer_settings
from tests.support.uvicorn_server import serve

AHEAD = timedelta(seconds=7)


@pytest.fixture
async def router() -> AsyncGenerator[FakeOpenRouter]:
    service = FakeOpenRouter(limit_remaining=4.5)
    async with running(service):
        yield service


@pytest.fixture
async def queue() -> AsyncGenerator[FakeFal]:
    service = FakeFal()
    async with running(service):
        yield service


def hosted(replicate: FakeReplicate, router: FakeOpenRouter, queue: FakeFal, comfy: str) -> dict[str, object]:
    """Settings of all providers that ask a service."""
    return {
        "replicate_token": TOKEN,
        "replicate_models": OFFICIAL,
        "replicate_api_url": replicate.address,
        "public_url": "https://scenewire.test",
        "openrouter_token": router.token,
        "openrouter_api_url": router.address,
        "fal_token": queue.token,
        "fal_models": MODEL,
        "fal_queue_url": queue.origin,
        "fal_api_url": f"{queue.origin}/v1",
        "comfyui_url": comfy,
        "comfyui_workflows": EXAMPLES,
    }


def by_check(out: str) -> dict[str, list[tuple[str, str]]]:
    """Return the states and texts of each check of the JSON that was printed."""
    found: dict[str, list[tuple[str, str]]] = {}
    for each in json.loads(out)["checks"]:
        found.setdefault(each["check"], []).append((each["state"], each["found"]))
        assert bool(each["todo"]) == (each["state"] != "ok"), each
    return found


async def test_doctor_finds_a_working_server_well(
    tmp_path: Path,
    postgres: Databases,
    fake: FakeReplicate,
    router: FakeOpenRouter,
    queue: FakeFal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With Postgres, a bucket, an issuer and every provider; a clock that is ahead is a warning."""
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() - AHEAD)
    issuer = Issuer()
    async with s3(monkeypatch) as bucket, comfyui() as comfy, serve(issuer.app()) as served:
        with postgres.fresh() as url:
            settings: Json = {
                **hosted(fake, router, queue, comfy.origin),
                **issuer_settings(f"{served.origin}/jwks"),
                "database_url": url,
                "media_url": f"s3://{BUCKET}/scenes",
                "secret_key": "s" * 32,
                "profile": "production",
            }
            ran = await asyncio.to_thread(invoke, "doctor", "--json", "--seconds", "600", **settings)
        assert bucket.objects == {}, (ran.out, bucket.requests)
    assert (ran.status, ran.err) == (0, ""), ran.out
    assert json.loads(ran.out)["ok"] is True
    found = by_check(ran.out)
    # A busy machine may need another attempt, which is reported.
    found["database"] = [each for each in found["database"] if "only at attempt" not in each[1]]
    states = {check: {state for state, _ in each} for check, each in found.items() if check not in ("fonts", "shaping")}
    names = ("settings", "pages", "database", "revision", "media", "tokens", "keys", "ffmpeg", "local")
    providers = ("replicate", "openrouter", "fal", "comfyui")
    assert states == {name: {"ok"} for name in (*names, *providers)} | {"clock": {"warn"}}
    ((_, skew),) = found["clock"]
    assert skew.endswith(" s ahead of this machine's")
    assert {name: found[name][0][1] for name in providers} == {
        "replicate": "the token is of the account acme",
        "openrouter": "the key is accepted, and may spend 4.50 USD more",
        "fal": "the key is accepted",
        "comfyui": "ComfyUI 0.3.99, cuda:0 Fake GPU",
    }
    assert [text for _, text in found["media"]][1:] == [
        "addresses that the bucket signs can be read and written",
        "the file was deleted again",
    ]
    assert not [secret for secret in (TOKEN, router.token, SECRET, "s" * 32) if secret in ran.out]
    services = {"replicate": fake.counts(), "openrouter": router.counts, "fal": queue.counts, "comfyui": comfy.counts}
    asked = {name: {kind for kind, count in counts.items() if count} for name, counts in services.items()}
    assert asked == {"replicate": {"account"}, "openrouter": {"key"}, "fal": {"list"}, "comfyui": {"stats"}}


async def test_doctor_finds_each_thing_that_fails_and_goes_on(
    tmp_path: Path, postgres: Databases, fake: FakeReplicate, router: FakeOpenRouter, queue: FakeFal, closed_port: int
) -> None:
    """A database behind, a bucket and an issuer that are not there, tokens that are wrong, and no manifest."""
    nowhere = f"http://127.0.0.1:{closed_port}"
    wrong = {"replicate_token": "r8_a_wrong_token", "openrouter_token": "sk-a-wrong-key", "fal_token": "a-wrong-key"}
    bucket = {"AWS_ENDPOINT": nowhere, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ACCESS_KEY_ID": "AKIDTEST"}
    with postgres.blank() as url, pytest.MonkeyPatch.context() as environment:
        for name, value in (bucket | {"AWS_ALLOW_HTTP": "true", "AWS_REGION": "x"}).items():
            environment.setenv(name, value)
        settings: Json = {
            **hosted(fake, router, queue, nowhere),
            **issuer_settings(f"{nowhere}/jwks"),
            **wrong,
            "database_url": url,
            "media_url": f"s3://{BUCKET}/scenes",
            "trusted_documents": tmp_path / "none.json",
            "secret_key": "s" * 32,
            "profile": "production",
            "comfyui_workflow": "misspelled",
        }
        ended = await run("doctor", "--seconds", "600", **settings)
    assert (ended.status, ended.err) == (1, "")
    lines = ended.out.splitlines()
    failed = {line.split()[1]: line.split(maxsplit=2)[2] for line in lines if line.startswith("FAIL")}
    assert failed.keys() == {
        *("documents", "revision", "media", "tokens", "replicate", "openrouter", "fal", "comfyui"),
    }
    assert failed["documents"] == f"SCENEWIRE_TRUSTED_DOCUMENTS: {tmp_path}/none.json: No such file or directory"
    assert failed["revision"] == f"none, behind this program's {migrations.newest()}"
    assert failed["replicate"].startswith("Replicate does not accept this server's token")
    assert failed["comfyui"] == "ComfyUI does not respond: ConnectError."
    assert "run: python -m server migrate" in ended.out
    assert "set SCENEWIRE_FAL_TOKEN to a token that is valid" in ended.out
    assert next(line.split()[1] for line in lines if line.startswith("warn")) == "settings"
    assert "SCENEWIRE_COMFYUI_WORKFLOW is not a setting" in ended.out
    assert {line.split()[1] for line in lines if line.startswith("ok")} >= {"database", "clock", "keys", "local"}
    assert lines[-1].endswith("8 failed")
    assert not [secret for secret in (*wrong.values(), SECRET, "s" * 32) if secret in ended.out]


async def test_check_that_blocks_is_given_up(tmp_path: Path) -> None:
    """A file without a writer, as on a file server that does not answer, blocks its thread and nothing else."""
    blocking = tmp_path / "manifest.json"
    os.mkfifo(blocking)
    (check,) = [each for each in setup.CHECKS if each.name == "documents"]
    found, late = await doctor.limited(check, Settings(trusted_documents=str(blocking)), 0.1)
    assert late
    assert [(each.check, each.state.value, each.found) for each in found] == [
        ("documents", "FAIL", "it did not answer within 0.1 s")
    ]
    # Whether the thread has opened it yet or not: it reads nothing, and ends.
    os.close(os.open(blocking, os.O_RDWR))


async def test_check_that_does_not_let_go_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found before is reported, and the next check goes on."""

    async def stuck(_settings: Settings) -> Findings:
        yield Finding("stuck", State.OK, "it answers")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    monkeypatch.setattr(doctor, "CLOSING_SECONDS", 0.01)
    found, late = await doctor.limited(Check("stuck", stuck), Settings(), 0.1)
    assert late
    assert [each.found for each in found] == ["it answers", "it did not answer within 0.1 s"]


async def test_the_encoder_of_the_setting_is_looked_for() -> None:
    """And no other: a build of FFmpeg without x264 is well where VP9 is set."""
    (check,) = [each for each in clips.CHECKS if each.name == "ffmpeg"]
    for codec, encoder, other in ((VideoCodec.VP9, "libvpx-vp9", "libx264"), (VideoCodec.H264, "libx264", "libvpx")):
        (finding,) = [each async for each in check.run(Settings(video_codec=codec))]
        assert finding.state is State.OK
        assert encoder in finding.found
        assert other not in finding.found


@pytest.fixture
def closed_port() -> int:
    """A port on which nothing listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


async def states_of(path: Path) -> list[tuple[str, str]]:
    """Return what the check of the database finds of an SQLite file: names and states."""
    settings = Settings(database_url=f"sqlite+aiosqlite:///{path}")
    return [(each.check, each.state.value) async for each in database.CHECKS[0].run(settings)]


async def test_sqlite_file_is_looked_at_and_never_made(tmp_path: Path) -> None:
    """None yet, one of a newer program, one behind, one that is no database, and one that is well."""
    assert await states_of(tmp_path / "none" / "test.db") == [("database", "warn")]
    assert os.listdir(tmp_path) == []
    create_migrated(tmp_path)
    path = tmp_path / "test.db"
    well = [("database", "ok"), ("revision", "ok"), ("database", "ok"), ("clock", "ok")]
    assert await states_of(path) == well
    for revision, state in (("9999", "FAIL"), ("0001", "warn")):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        assert await states_of(path) == [well[0], ("revision", state), *well[2:]]
    path.write_text("This is no database, but a text that is long enough to have a header." * 10)
    assert await states_of(path) == [("database", "FAIL")]


async def test_wrong_settings_are_reported_as_by_other_commands(tmp_path: Path) -> None:
    """In one line, with exit status 2."""
    ran = await asyncio.to_thread(
        invoke, "doctor", profile="production", database_url=f"sqlite+aiosqlite:///{tmp_path}"
    )
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("scenewire: SCENEWIRE_AUTH_SECRET")
    assert ran.err.count("\n") == 1
