"""`python -m server`: what each command prints, and the status it ends with."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from models import migrations
from models.db.database import Database
from models.db.tables import AUDIT
from models.domain.access import Viewer
from models.reads import revocations
from server.auth.issuing import revoke, token
from server.auth.sessions import is_revoked
from server.auth.tokens import Tokens
from server.demo import demo
from server.migrate import migrate
from server.schema import sdl
from server.serve import ready
from server.settings import Settings, WrongSettings
from server.watch import watch
from tests.support import jobs
from tests.support.client import Client
from tests.support.server_app import App
from tests.support.server_process import ROOT, ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS, eventually


class Ended(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


@asynccontextmanager
async def command(*arguments: str, **variables: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """`python -m server` with these arguments and SCENEWIRE_ variables; it is killed if it still runs in the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCENEWIRE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server",
        *arguments,
        cwd=ROOT,
        # Wide, and drawn as on a terminal, so that what a person would see can be read from the pipe.
        env=environment | {"COLUMNS": "200", **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        # Until the pipes are read to their end, wait() may never return (CPython before 3.12.4).
        await process.communicate()


async def run(*arguments: str, **variables: str) -> Ended:
    """A command to its end."""
    async with command(*arguments, **variables) as process, asyncio.timeout(TIMEOUT_SECONDS):
        out, err = await process.communicate()
        status = await process.wait()
    return Ended(status, out.decode(), err.decode())


async def seen(process: asyncio.subprocess.Process, words: str) -> None:
    """Wait until the command shows these words."""
    assert process.stdout is not None
    shown = ""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while words not in shown:
            piece = await process.stdout.read(4096)
            assert piece, f"it ended after {shown!r}"
            shown += piece.decode(errors="replace")


@pytest.fixture
def taken() -> Generator[int]:
    """A port on which somebody else listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


class TestServe:
    """What the server cannot start with."""

    async def test_a_wrong_setting_is_one_line_that_names_the_variable(self, tmp_path: Path, taken: int) -> None:
        """And status 2, before anything is opened; several are told at once."""
        cases: list[tuple[dict[str, str], list[str]]] = [
            ({"PORT": "99999", "LOCAL_WIDTH": "33"}, ["PORT", "LOCAL_WIDTH"]),
            ({"PROFILE": "production", "PROVIDER": "scripted"}, ["PROVIDER"]),
            ({"PORT": str(taken)}, ["PORT"]),
            ({"HOST": "0.0.0.0"}, ["HOST", "PROFILE"]),  # noqa: S104 # it is refused
            ({"PROFILE": "production"}, ["AUTH_SECRET"]),
            ({"PROFILE": "production", "AUTH_SECRET": "x" * 31}, ["AUTH_SECRET"]),
            ({"MEDIA_URL": "gopher://example.com/media"}, ["MEDIA_URL"]),
        ]
        usual = {
            "SCENEWIRE_PORT": "0",
            "SCENEWIRE_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/test.db",
            "SCENEWIRE_MEDIA_URL": str(tmp_path / "media"),
        }
        ended = await asyncio.gather(
            *(run(**usual | {f"SCENEWIRE_{name}": value for name, value in wrong.items()}) for wrong, _ in cases)
        )
        told = [(each.status, re.findall(r"SCENEWIRE_([A-Z_]+)", each.err), each.err.count("\n")) for each in ended]
        assert told == [(2, names, 1) for _, names in cases], [each.err for each in ended]
        assert {each.out for each in ended} == {""}
        assert all(each.err.startswith("scenewire: ") for each in ended)


class TestTools:
    """Commands that need no server."""

    async def test_schema_prints_the_schema(self) -> None:
        """All of it and nothing else."""
        assert await run("schema") == Ended(0, sdl(), "")

    async def test_a_database_that_cannot_be_opened_is_named(self, tmp_path: Path) -> None:
        """By `migrate` and by `serve`."""
        wrong = Settings(database_url=f"sqlite+aiosqlite:///{tmp_path}")
        with pytest.raises(WrongSettings, match=r"^SCENEWIRE_DATABASE_URL: unable to open database file$"):
            await migrate(wrong)
        with pytest.raises(WrongSettings, match=r"^SCENEWIRE_DATABASE_URL: unable to open database file$"):
            ready(wrong)

    async def test_migrate_brings_a_database_up_to_date(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Once; a current one is left alone."""
        url = f"sqlite+aiosqlite:///{tmp_path / 'new' / 'test.db'}"
        newest = migrations.newest()
        assert await run("migrate", SCENEWIRE_DATABASE_URL=url) == Ended(0, f"Migrated to revision {newest}.\n", "")
        assert await migrate(Settings(database_url=url)) == 0
        assert capsys.readouterr().out == f"Already at revision {newest}.\n"


SECRET = "a secret, long enough for anybody who asks"


class TestTokens:
    """What an operator of a small set-up has in place of an identity provider."""

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"roles": "king"}, "--roles: 'king' is not a role; the roles are user, worker, admin"),
            ({"roles": ""}, "--roles: '' is not a role; the roles are user, worker, admin"),
            ({"ttl": "soon"}, "--ttl: 'soon' is not a duration such as 90s, 15m, 1h or 7d"),
            ({"ttl": "0h"}, "--ttl: '0h' is not a duration such as 90s, 15m, 1h or 7d"),
            ({"subject": ""}, "--sub must be 1 to 200 printable characters"),
            ({"subject": "a\nb"}, "--sub must be 1 to 200 printable characters"),
            ({"name": ""}, "--name must be 1 to 200 printable characters"),
        ],
    )
    async def test_what_makes_no_token_is_one_line(self, tmp_path: Path, given: dict[str, str], told: str) -> None:
        """That says what would be right."""
        settings = Settings.model_validate({"auth_secret": SECRET, "database_url": home_of(tmp_path)})
        usual = {"subject": "amy", "roles": "user", "name": "Amy", "ttl": "1h"}
        with pytest.raises(WrongSettings) as wrong:
            await token(settings, **usual | given)
        assert str(wrong.value) == told

    async def test_without_a_secret_there_is_nothing_to_sign_with(self, tmp_path: Path) -> None:
        """It is named."""
        settings = Settings.model_validate({"database_url": home_of(tmp_path)})
        with pytest.raises(WrongSettings, match="SCENEWIRE_AUTH_SECRET must be set"):
            await token(settings, "amy", "user", None, "1h")

    async def test_both_commands_are_in_the_audit_log(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A token is valid once its subject's older ones are revoked."""
        settings = Settings.model_validate({"auth_secret": SECRET, "database_url": home_of(tmp_path)})
        assert await revoke(settings, "amy") == 0
        assert await token(settings, "amy", "worker,admin", None, "1h") == 0
        assert await revoke(settings, "amy") == 0
        made = capsys.readouterr().out.splitlines()[1]
        identity = await Tokens(settings, None).check(made)
        assert identity.viewer == Viewer("amy", "amy", ("worker", "admin"))
        database = Database(settings.database_url)
        async with database.connect(database.reader) as connection:
            rows = await connection.execute(sa.select(AUDIT.c.actor_id, AUDIT.c.action, AUDIT.c.object_id))
            told = [tuple(row) for row in rows]
            found = await revocations.of_subjects(connection, ["amy"])
        await database.close()
        assert sorted(told) == [("operator", action, "amy") for action in ("revoke", "revoke", "token")]
        assert is_revoked(identity, found)


def home_of(folder: Path) -> str:
    """A database that is made by whoever needs it first."""
    return f"sqlite+aiosqlite:///{folder / 'new' / 'test.db'}"


class TestWatch:
    """A job, followed in a terminal."""

    @pytest.mark.parametrize(("outcome", "status"), [("completed", 0), ("failed", 1), ("canceled", 3)])
    async def test_the_status_tells_how_the_job_ended(self, app: App, outcome: str, status: int) -> None:
        """Also of a job that had ended before."""
        play = {"completed": {}, "failed": {"outcome": "fail"}, "canceled": {"outcome": "stall"}}[outcome]
        made = await jobs.make(app, jobs.scene(**play), jobs.scene(steps=8), title=outcome)
        watching = asyncio.create_task(watch(app.url, made.id))
        await eventually(lambda: app.container.hub.watchers == 1)
        await jobs.change(app, "startJob", jobId=made.id)
        if outcome == "canceled":
            await jobs.change(app, "cancelJob", jobId=made.id)
        assert await watching == status
        assert await watch(app.url, made.id) == status

    async def test_whatever_a_title_holds_is_shown_as_it_is(self, app: App, capsys: pytest.CaptureFixture[str]) -> None:
        """Square brackets too, in which the terminal's own markup is written."""
        words = "Take [1/3] [/bold] [red]x[/]"
        scene = jobs.scene(outcome="fail", code="[/x]") | {"title": words}
        made = await jobs.make(app, scene, title=words, start=True)
        assert await watch(app.url, made.id) == 1
        assert capsys.readouterr().out.count(words) == 2

    async def test_a_job_that_is_not_there(self, server_url: str) -> None:
        """Is said to be so."""
        ended = await run("watch", "job_01h455vb4pex5vsknk084sn02q", "--url", server_url)
        assert ended.status == 4
        assert f"There is no job job_01h455vb4pex5vsknk084sn02q at {server_url}." in ended.out

    async def test_it_goes_on_after_the_server_was_killed(self, tmp_path: Path) -> None:
        """By itself, to the end of the job."""
        server = ServerProcess(tmp_path, provider="scripted")
        await asyncio.to_thread(server.start)
        client = Client(server.url)
        try:
            made = await jobs.make(client, jobs.scene(steps=30, stepSeconds=0.1), title="Long", start=True)
            async with command("watch", made.id, SCENEWIRE_PUBLIC_URL=server.url, FORCE_COLOR="1") as process:
                await seen(process, "Generating")
                server.kill()
                await seen(process, "waiting for the server")
                await asyncio.to_thread(server.start)
                await seen(process, "1 scene ready")
                assert process.stdout is not None
                while await process.stdout.read(4096):
                    pass
                assert await process.wait() == 0
        finally:
            await client.close()
            server.kill()


class TestDemo:
    """The quickest way to see something."""

    async def test_it_makes_a_job_and_watches_it(self, server_url: str) -> None:
        """To its end."""
        ended = await run("demo", "--provider", "scripted", SCENEWIRE_PUBLIC_URL=server_url)
        assert ended.status == 0, ended
        assert ended.err == ""
        (job_id,) = re.findall(r"Created (job_\w+)\.", ended.out)
        client = Client(server_url)
        made = await jobs.job(client, job_id, "title status provider output { url } scenes { nodes { title status } }")
        await client.close()
        titles = [scene["title"] for scene in made["scenes"]["nodes"]]
        assert {scene["status"] for scene in made["scenes"]["nodes"]} == {made["status"]} == {"COMPLETED"}
        assert (made["title"], made["provider"], titles) == (
            "A day at the lighthouse",
            "scripted",
            ["Dawn", "Noon", "Night"],
        )
        assert all(title in ended.out for title in [made["title"], *titles])
        assert f"The video is at {made['output']['url']}" in ended.out

    async def test_without_a_server_it_says_how_to_start_one(self, capsys: pytest.CaptureFixture[str]) -> None:
        """With a status of its own."""
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            assert await demo(address, None) == 5
        said = " ".join(capsys.readouterr().out.split())
        assert said.startswith(f"No server answers at {address}")
        assert said.endswith("Start one with: make run")

    async def test_what_the_server_refuses_is_told(self, app: App, capsys: pytest.CaptureFixture[str]) -> None:
        """In its own words."""
        assert await demo(app.url, "nobody") == 1
        assert capsys.readouterr().out.startswith("There is no such provider here; there are: ")
