"""Connections that Postgres or PgBouncer refuses permanently: one line with the refusal, and exit status 2."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from models.db.database import Database
from server.commands.doctor.database import CHECKS
from server.commands.doctor.findings import Finding, Findings, State
from server.processes.serve import ready
from server.settings import Settings, WrongSettings
from tests.support import jobs
from tests.support.command_line import invoke
from tests.support.pgbouncer import pgbouncer
from tests.support.postgres import Databases, in_a_thread
from tests.support.server_app import running

ROLE = "scenewire_test_locked"
PASSWORD = "hunter2"
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"


@pytest.fixture
def url(postgres: Databases) -> Generator[str]:
    """The URL of a migrated database."""
    with postgres.fresh() as url:
        yield url


@contextmanager
def password_required(postgres: Databases, url: str) -> Generator[None]:
    """Make a role that needs a password, in a server that otherwise trusts everyone."""
    rules = Path(in_a_thread(_scalar(url, "SHOW hba_file")))
    try:
        before = rules.read_text()
    except OSError:
        pytest.skip("the access rules of this Postgres cannot be changed")
    in_a_thread(postgres.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'another'"))
    try:
        rules.write_text(f"local all {ROLE} scram-sha-256\nhost all {ROLE} all scram-sha-256\n{before}")
        in_a_thread(_scalar(url, "SELECT pg_reload_conf()"))
        yield
    finally:
        rules.write_text(before)
        in_a_thread(_scalar(url, "SELECT pg_reload_conf()"))
        in_a_thread(postgres.execute(f"DROP ROLE {ROLE}"))


async def _scalar(url: str, statement: str) -> str:
    database = Database(url)
    async with database.connect(database.maintenance) as connection:
        value = (await connection.exec_driver_sql(statement)).scalar_one()
    await database.close()
    return str(value)


def as_role(url: str, role: str, password: str = PASSWORD) -> str:
    """Return the URL with another role."""
    return sa.make_url(url).set(username=role, password=password).render_as_string(hide_password=False)


def assert_refused(reason: str, variable: str = "DATABASE_URL", **settings: str) -> None:
    """Run each command that opens a database."""
    lines: set[str] = set()
    for command in (("migrate",), ("revoke", "--sub", "amy")):
        ran = invoke(*command, **settings)
        assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1), ran
        lines.add(ran.err)
    # What `serve` and `worker` do before anything else.
    with pytest.raises(WrongSettings) as refused:
        ready(Settings.model_validate(settings))
    lines.add(f"scenewire: {refused.value}\n")
    (line,) = lines
    assert line.startswith(f"scenewire: SCENEWIRE_{variable}: {reason} (postgresql+asyncpg://"), line
    assert PASSWORD not in line


def test_unknown_role_is_refused_with_the_answer_of_postgres(url: str) -> None:
    """The message names the variable: DATABASE_URL or DATABASE_DIRECT_URL."""
    wrong = as_role(url, "scenewire_nobody")
    reason = 'role "scenewire_nobody" does not exist'
    assert_refused(reason, database_url=wrong)
    assert_refused(reason, "DATABASE_DIRECT_URL", database_url=url, database_direct_url=wrong)


def test_wrong_password_is_refused_with_the_answer_of_postgres(postgres: Databases, url: str) -> None:
    """The message does not contain the password."""
    with password_required(postgres, url):
        reason = f'password authentication failed for user "{ROLE}"'
        assert_refused(reason, database_url=as_role(url, ROLE))


def test_role_without_privileges_cannot_migrate(postgres: Databases) -> None:
    """The schema of a blank database belongs to its owner."""
    role = f"{ROLE}_reader"
    in_a_thread(postgres.execute(f"CREATE ROLE {role} LOGIN"))
    try:
        with postgres.blank() as blank:
            ran = invoke("migrate", database_url=as_role(blank, role))
    finally:
        in_a_thread(postgres.execute(f"DROP ROLE {role}"))
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1), ran
    assert ran.err.startswith("scenewire: SCENEWIRE_DATABASE_URL: permission denied for schema public (")


def test_role_that_may_not_read_is_refused_with_the_reason(postgres: Databases, url: str) -> None:
    """By the commands that only read."""
    role = f"{ROLE}_stranger"
    in_a_thread(postgres.execute(f"CREATE ROLE {role} LOGIN"))
    try:
        wrong = as_role(url, role)
        runs = [invoke(command, database_url=wrong) for command in ("jobs", "queue", "audit")]
        found = in_a_thread(_all(CHECKS[0].run(Settings(database_url=wrong))))
    finally:
        in_a_thread(postgres.execute(f"DROP ROLE {role}"))
    reason = "SCENEWIRE_DATABASE_URL: permission denied for table alembic_version ("
    for ran in runs:
        assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1), ran
        assert ran.err.startswith(f"scenewire: {reason}")
    assert [(each.state, each.found.startswith(reason)) for each in found] == [(State.FAIL, True)]


async def _all(findings: Findings) -> list[Finding]:
    return [each async for each in findings]


async def test_role_that_loses_its_login_makes_the_running_server_unavailable(
    postgres: Databases, url: str, tmp_path: Path
) -> None:
    """Clients retry as while the database is down, and succeed after the operator has corrected the role."""
    role = f"{ROLE}_runtime"
    await postgres.execute(f"CREATE ROLE {role} LOGIN SUPERUSER")
    try:
        async with running(tmp_path, database_url=as_role(url, role)) as app:
            await jobs.make(app, jobs.scene())
            await postgres.execute(f"ALTER ROLE {role} NOLOGIN")
            await postgres.execute(TERMINATE.format(role=role))
            answer = await app.result("{ jobs { nodes { id } } }")
            assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAVAILABLE"], answer
            assert (await app.http.get("/readyz")).status_code == 503
            await postgres.execute(f"ALTER ROLE {role} LOGIN")
            assert (await app.execute("{ jobs { nodes { id } } }"))["jobs"]["nodes"]
    finally:
        await postgres.execute(TERMINATE.format(role=role))
        await postgres.execute(f"DROP ROLE {role}")


def test_server_without_tls_is_refused_when_tls_is_required(url: str) -> None:
    """The URL requires it by `ssl=require`, which applies to TCP only."""
    with pgbouncer(url, pool_mode="session") as bouncer:
        over_tls = sa.make_url(bouncer.tcp_url(url)).update_query_dict({"ssl": "require"})
        assert_refused(
            f'PostgreSQL server at "127.0.0.1:{bouncer.port}" rejected SSL upgrade',
            database_url=over_tls.render_as_string(hide_password=False),
        )


def test_unknown_role_and_wrong_password_are_refused_with_the_answer_of_pgbouncer(url: str, tmp_path: Path) -> None:
    """PgBouncer has one SQLSTATE for all refusals, and does not distinguish the two."""
    roles = tmp_path / "roles"
    tmp_path.chmod(0o755)
    roles.write_text(f'"{ROLE}" "another"\n')
    with pgbouncer(url, pool_mode="session", auth_type="plain", auth_file=roles) as bouncer:
        for role in ("scenewire_nobody", ROLE):
            assert_refused("password authentication failed", database_url=as_role(bouncer.url(url), role))


def test_pooler_without_server_has_exit_status_1_and_its_answer(url: str) -> None:
    """Exit status 1, because Postgres may be available later."""
    gone = sa.make_url(url).set(port=1).render_as_string(hide_password=False)
    with pgbouncer(gone, pool_mode="session", query_wait_timeout=1) as bouncer:
        ran = invoke("migrate", database_url=bouncer.url(url))
    line = "scenewire: SCENEWIRE_DATABASE_URL: The database does not answer. Cause: "
    assert (ran.status, ran.out, ran.err.count("\n"), ran.err[: len(line)]) == (1, "", 1, line)
