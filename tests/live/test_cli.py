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
from server.database.migrate import migrate
from server.graphql.schema import sdl
from server.processes.serve import ready
from server.settings import Settings, WrongSettings
from server.version import VERSION
from tests.support.cli import Ended, run
from tests.support.command_line import invoke
from tests.support.server_process import ServerProcess


@pytest.fixture
def taken() -> Generator[int]:
    """A port that is in use."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def _lower(settings: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in settings.items()}


class TestServe:
    """Settings that the server cannot start with."""

    async def test_serve_reports_invalid_settings_in_one_line(self, tmp_path: Path, taken: int) -> None:
        """With exit status 2 and the names of all invalid variables, before anything is opened."""
        before_the_log: list[tuple[dict[str, str], list[str]]] = [
            ({"PORT": "99999", "LOCAL_WIDTH": "33"}, ["PORT", "LOCAL_WIDTH"]),
            ({"PROFILE": "production", "PROVIDER": "scripted"}, ["PROVIDER"]),
            ({"PORT": str(taken)}, ["PORT"]),
            ({"HOST": "0.0.0.0"}, ["HOST", "PROFILE"]),  # noqa: S104 # it is refused
            ({"PROFILE": "production"}, ["AUTH_SECRET"]),
            ({"PROFILE": "production", "AUTH_SECRET": "x" * 31}, ["AUTH_SECRET"]),
            ({"TRUSTED_DOCUMENTS_ONLY": "true"}, ["TRUSTED_DOCUMENTS"]),
        ]
        # These commands configure the log of their process, which in-process would replace pytest's log handlers.
        after_the_log: list[tuple[dict[str, str], list[str]]] = [
            ({"MEDIA_URL": "gopher://example.com/media"}, ["MEDIA_URL"]),
            ({"TRUSTED_DOCUMENTS": str(tmp_path / "none.json")}, ["TRUSTED_DOCUMENTS"]),
        ]
        usual = {
            "port": "0",
            "database_url": f"sqlite+aiosqlite:///{tmp_path}/test.db",
            "media_url": str(tmp_path / "media"),
        }
        ended = [Ended(*invoke("serve", **usual | _lower(invalid))) for invalid, _ in before_the_log]
        ended += [await run(**usual | _lower(invalid)) for invalid, _ in after_the_log]
        shown = [(each.status, re.findall(r"SCENEWIRE_([A-Z_]+)", each.err), each.err.count("\n")) for each in ended]
        assert shown == [(2, names, 1) for _, names in before_the_log + after_the_log], [each.err for each in ended]
        assert {each.out for each in ended} == {""}
        assert all(each.err.startswith("scenewire: ") for each in ended)

    async def test_options_of_serve_replace_settings_and_unread_variables_are_logged(self, tmp_path: Path) -> None:
        """The server listens at the address of the options; one warning names the misspelled variable."""
        options = ("serve", "--host", "localhost", "--port", "0")
        server = ServerProcess(tmp_path, *options, host="192.0.2.1", port=1, render_concurency=1)
        await asyncio.to_thread(server.start)
        try:
            # Some users may listen on port 1.
            assert re.fullmatch(r"http://localhost:[0-9]{2,}", server.url)
            log = server.log.read_text()
        finally:
            assert await asyncio.to_thread(server.stop) == 0
        assert log.count("[settings.unread] SCENEWIRE_RENDER_CONCURENCY is not a setting") == 1
        assert log.count("settings.unread") == 1
        assert "SCENEWIRE_RENDER_CONCURRENCY" in log

    async def test_version_option_prints_the_version(self) -> None:
        """The output is the version alone."""
        assert await run("--version") == Ended(0, f"Scenewire {VERSION}\n", "")


class TestDatabaseCommands:
    """Commands that need no server."""

    async def test_schema_command_prints_the_schema(self) -> None:
        """The output is the schema alone."""
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
        """The lifetime starts at the time of the command."""
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
