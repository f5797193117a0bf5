"""The commands of `python -m server`: their output and exit status."""

import asyncio
import re
import socket
from collections.abc import Generator
from pathlib import Path

import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import OctKey

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
from server.version import VERSION
from server.watch import watch
from tests.support import jobs
from tests.support.cli import Ended, command, run, seen
from tests.support.client import Client
from tests.support.server_app import App
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually


@pytest.fixture
def taken() -> Generator[int]:
    """A port that is in use."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


class TestServe:
    """Settings that the server cannot start with."""

    async def test_serve_reports_invalid_settings_in_one_line(self, tmp_path: Path, taken: int) -> None:
        """With exit status 2 and the names of all invalid variables, before anything is opened."""
        cases: list[tuple[dict[str, str], list[str]]] = [
            ({"PORT": "99999", "LOCAL_WIDTH": "33"}, ["PORT", "LOCAL_WIDTH"]),
            ({"PROFILE": "production", "PROVIDER": "scripted"}, ["PROVIDER"]),
            ({"PORT": str(taken)}, ["PORT"]),
            ({"HOST": "0.0.0.0"}, ["HOST", "PROFILE"]),  # noqa: S104 # it is refused
            ({"PROFILE": "production"}, ["AUTH_SECRET"]),
            ({"PROFILE": "production", "AUTH_SECRET": "x" * 31}, ["AUTH_SECRET"]),
            ({"MEDIA_URL": "gopher://example.com/media"}, ["MEDIA_URL"]),
            ({"TRUSTED_DOCUMENTS": str(tmp_path / "none.json")}, ["TRUSTED_DOCUMENTS"]),
            ({"TRUSTED_DOCUMENTS_ONLY": "true"}, ["TRUSTED_DOCUMENTS"]),
        ]
        usual = {
            "port": "0",
            "database_url": f"sqlite+aiosqlite:///{tmp_path}/test.db",
            "media_url": str(tmp_path / "media"),
        }
        ended = [await run(**usual | {name.lower(): value for name, value in invalid.items()}) for invalid, _ in cases]
        shown = [(each.status, re.findall(r"SCENEWIRE_([A-Z_]+)", each.err), each.err.count("\n")) for each in ended]
        assert shown == [(2, names, 1) for _, names in cases], [each.err for each in ended]
        assert {each.out for each in ended} == {""}
        assert all(each.err.startswith("scenewire: ") for each in ended)

    async def test_options_of_serve_replace_settings_and_unread_variables_are_logged(self, tmp_path: Path) -> None:
        """The server listens at the address of the options; one warning names the misspelled variable."""
        options = ("serve", "--host", "localhost", "--port", "0")
        server = ServerProcess(tmp_path, *options, host="192.0.2.1", port=1, render_concurency=1)
        await asyncio.to_thread(server.start)
        try:
            assert server.url.startswith("http://localhost:")
            log = server.log.read_text()
        finally:
            assert await asyncio.to_thread(server.stop) == 0
        assert log.count("[settings.unread] SCENEWIRE_RENDER_CONCURENCY is not a setting") == 1
        assert log.count("settings.unread") == 1
        assert "SCENEWIRE_RENDER_CONCURRENCY" in log

    async def test_version_option_prints_the_version(self) -> None:
        """And nothing else."""
        assert await run("--version") == Ended(0, f"Scenewire {VERSION}\n", "")


class TestDatabaseCommands:
    """Commands that need no server."""

    async def test_schema_command_prints_the_schema(self) -> None:
        """And nothing else."""
        assert await run("schema") == Ended(0, sdl(), "")

    async def test_database_that_cannot_be_opened_is_an_invalid_setting(self, tmp_path: Path) -> None:
        """For `migrate` and `serve`."""
        wrong = Settings(database_url=f"sqlite+aiosqlite:///{tmp_path}")
        with pytest.raises(WrongSettings, match=r"^SCENEWIRE_DATABASE_URL: unable to open database file$"):
            await migrate(wrong)
        with pytest.raises(WrongSettings, match=r"^SCENEWIRE_DATABASE_URL: unable to open database file$"):
            ready(wrong)

    async def test_migrate_command_migrates_the_database_once(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A second run changes nothing."""
        url = f"sqlite+aiosqlite:///{tmp_path / 'new' / 'test.db'}"
        newest = migrations.newest()
        assert await run("migrate", database_url=url) == Ended(0, f"Migrated to revision {newest}.\n", "")
        assert await migrate(Settings(database_url=url)) == 0
        assert capsys.readouterr().out == f"Already at revision {newest}.\n"


SECRET = "a secret of the tests, of more than 32 bytes"


class TestTokenCommands:
    """`token` and `revoke`."""

    @pytest.mark.parametrize(
        ("given", "error"),
        [
            ({"roles": "king"}, "--roles: 'king' is not a role; the roles are user, worker, admin"),
            ({"roles": ""}, "--roles: '' is not a role; the roles are user, worker, admin"),
            ({"ttl": "soon"}, "--ttl: 'soon' is not a duration such as 90s, 15m, 1h or 7d"),
            ({"ttl": "0h"}, "--ttl: '0h' is not a duration such as 90s, 15m, 1h or 7d"),
            ({"ttl": "-1h"}, "--ttl: '-1h' is not a duration such as 90s, 15m, 1h or 7d"),
            ({"ttl": "٣h"}, "--ttl: '٣h' is not a duration such as 90s, 15m, 1h or 7d"),
            ({"ttl": "9999999999s"}, "--ttl: '9999999999s' is not a duration such as 90s, 15m, 1h or 7d"),
            ({"ttl": "366d"}, "--ttl: '366d' is longer than 365d"),
            ({"ttl": "999999999d"}, "--ttl: '999999999d' is longer than 365d"),
            ({"ttl": "31536001s"}, "--ttl: '31536001s' is longer than 365d"),
            ({"subject": ""}, "--sub must be 1 to 200 printable characters"),
            ({"subject": "a\nb"}, "--sub must be 1 to 200 printable characters"),
            ({"name": ""}, "--name must be 1 to 200 printable characters"),
        ],
    )
    async def test_token_command_reports_an_invalid_option_in_one_line(
        self, tmp_path: Path, given: dict[str, str], error: str
    ) -> None:
        """With the valid values."""
        settings = Settings.model_validate({"auth_secret": SECRET, "database_url": database_in(tmp_path)})
        usual = {"subject": "amy", "roles": "user", "name": "Amy", "ttl": "1h"}
        with pytest.raises(WrongSettings) as wrong:
            await token(settings, **usual | given)
        assert str(wrong.value) == error

    @pytest.mark.parametrize(("ttl", "seconds"), [("1s", 1), ("8760h", 365 * 86_400), ("365d", 365 * 86_400)])
    async def test_token_command_issues_tokens_of_one_second_to_one_year(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], ttl: str, seconds: int
    ) -> None:
        """From now on."""
        settings = Settings.model_validate({"auth_secret": SECRET, "database_url": database_in(tmp_path)})
        assert await token(settings, "amy", "user", None, ttl) == 0
        claims = jwt.decode(capsys.readouterr().out.strip(), OctKey.import_key(SECRET)).claims
        assert claims["exp"] - claims["iat"] == seconds

    async def test_token_command_needs_a_secret(self, tmp_path: Path) -> None:
        """The message names the variable."""
        settings = Settings.model_validate({"database_url": database_in(tmp_path)})
        with pytest.raises(WrongSettings, match="SCENEWIRE_AUTH_SECRET must be set"):
            await token(settings, "amy", "user", None, "1h")

    async def test_token_and_revoke_commands_have_audit_records(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A token that was issued after a revocation is valid until the next one."""
        settings = Settings.model_validate({"auth_secret": SECRET, "database_url": database_in(tmp_path)})
        assert await migrate(settings) == 0
        capsys.readouterr()
        assert await revoke(settings, "amy") == 0
        assert await token(settings, "amy", "worker,admin", None, "1h") == 0
        assert await revoke(settings, "amy") == 0
        issued = capsys.readouterr().out.splitlines()[1]
        identity = await Tokens(settings, None).check(issued)
        assert identity.viewer == Viewer("amy", "amy", ("worker", "admin"))
        database = Database(settings.database_url)
        async with database.connect(database.reader) as connection:
            rows = await connection.execute(sa.select(AUDIT.c.actor_id, AUDIT.c.action, AUDIT.c.object_id))
            records = [tuple(row) for row in rows]
            revoked = await revocations.of_subjects(connection, ["amy"])
        await database.close()
        assert sorted(records) == [("operator", action, "amy") for action in ("revoke", "revoke", "token")]
        assert is_revoked(identity, revoked)


def database_in(folder: Path) -> str:
    """The URL of a database that does not exist yet."""
    return f"sqlite+aiosqlite:///{folder / 'new' / 'test.db'}"


class TestWatch:
    """`watch`."""

    @pytest.mark.parametrize(("outcome", "status"), [("completed", 0), ("failed", 1), ("canceled", 3)])
    async def test_exit_status_of_watch_is_the_status_of_the_job(self, app: App, outcome: str, status: int) -> None:
        """Also for a job that was finished before."""
        script = {"completed": {}, "failed": {"outcome": "fail"}, "canceled": {"outcome": "stall"}}[outcome]
        made = await jobs.make(app, jobs.scene(**script), jobs.scene(steps=8), title=outcome)
        watching = asyncio.create_task(watch(app.url, made.id))
        await eventually(lambda: app.container.hub.watchers == 1)
        await jobs.change(app, "startJob", jobId=made.id)
        if outcome == "canceled":
            await jobs.change(app, "cancelJob", jobId=made.id)
        assert await watching == status
        assert await watch(app.url, made.id) == status

    async def test_watch_shows_job_titles_verbatim(self, app: App, capsys: pytest.CaptureFixture[str]) -> None:
        """Square brackets are not read as markup of the terminal library."""
        title = "Take [1/3] [/bold] [red]x[/]"
        scene = jobs.scene(outcome="fail", code="[/x]") | {"title": title}
        made = await jobs.make(app, scene, title=title, start=True)
        assert await watch(app.url, made.id) == 1
        assert capsys.readouterr().out.count(title) == 3

    async def test_watch_shows_the_message_of_a_failed_scene(
        self, app: App, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Once, with the scene's number and title."""
        scene = jobs.scene(outcome="fail") | {"title": "Storm"}
        made = await jobs.make(app, scene, title="Weather", start=True)
        assert await watch(app.url, made.id) == 1
        failure = (await jobs.job(app, made.id, "scenes { nodes { failure { message } } }"))["scenes"]["nodes"][0]
        message = failure["failure"]["message"]
        assert message
        assert capsys.readouterr().out.count(f"1. Storm: {message}") == 1

    async def test_watch_of_unknown_job_has_exit_status_4(self, app: App, capsys: pytest.CaptureFixture[str]) -> None:
        """With a message, and without a progress bar."""
        assert await watch(app.url, "job_01h455vb4pex5vsknk084sn02q") == 4
        assert capsys.readouterr().out == f"There is no job job_01h455vb4pex5vsknk084sn02q at {app.url}.\n"

    async def test_watch_without_a_server_has_exit_status_5(self, capsys: pytest.CaptureFixture[str]) -> None:
        """With the reason, and without a progress bar. Only a connection that was open once is made again."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{unused.getsockname()[1]}"
            assert await watch(address, "job_01h455vb4pex5vsknk084sn02q") == 5
        shown = capsys.readouterr().out
        assert shown.startswith(f"No server answers at {address} (")
        assert shown.count("\n") == 1
        assert "Connect call failed" in shown

    @pytest.mark.parametrize("command", ["watch", "demo"])
    @pytest.mark.parametrize("url", ["nonsense", "ftp://example.com", "http://", "http://[::1", "http://a:99999"])
    async def test_invalid_url_is_refused_in_one_line(self, command: str, url: str) -> None:
        """By both commands that call a server."""
        call = watch(url, "job_01h455vb4pex5vsknk084sn02q") if command == "watch" else demo(url, None)
        with pytest.raises(WrongSettings) as wrong:
            await call
        assert str(wrong.value).startswith(f"--url or SCENEWIRE_PUBLIC_URL: {url!r} is not a URL")

    async def test_watch_resumes_after_the_server_was_killed(self, tmp_path: Path) -> None:
        """Until the job is finished."""
        server = ServerProcess(tmp_path, provider="scripted")
        await asyncio.to_thread(server.start)
        client = Client(server.url)
        try:
            made = await jobs.make(client, jobs.scene(steps=30, stepSeconds=0.1), title="Long")
            async with command("watch", made.id, color=True, public_url=server.url) as process:
                await seen(process, "Long")
                await jobs.change(client, "startJob", jobId=made.id)
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
    """`demo`."""

    async def test_demo_creates_a_job_and_watches_it(self, server_url: str) -> None:
        """Until it is finished."""
        ended = await run("demo", "--provider", "scripted", public_url=server_url)
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

    async def test_demo_without_a_server_has_exit_status_5(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The message contains the command that starts one."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{unused.getsockname()[1]}"
            assert await demo(address, None) == 5
        text = " ".join(capsys.readouterr().out.split())
        assert text.startswith(f"No server answers at {address}")
        assert text.endswith("Start one with: make run")

    async def test_demo_prints_the_errors_of_create_job(self, app: App, capsys: pytest.CaptureFixture[str]) -> None:
        """As the server worded them."""
        assert await demo(app.url, "unknown") == 1
        assert capsys.readouterr().out.startswith("There is no such provider here; there are: ")
