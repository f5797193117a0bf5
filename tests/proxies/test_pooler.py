"""A real PgBouncer between the server and Postgres, in session and in transaction mode."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from coordinator.bus import listener
from coordinator.live import hub
from models.db.database import Database
from server.database.database_setup import check_migrated
from server.settings import Settings, WrongSettings
from tests.support import jobs
from tests.support.command_line import invoke
from tests.support.database_timeouts import production_timeouts
from tests.support.pgbouncer import PgBouncer, pgbouncer
from tests.support.postgres import Databases
from tests.support.server_app import App, running

# Fewer than one server uses, so that its transactions change sessions. In session mode each connection needs its own.
POOL_SIZES = {"transaction": 3, "session": 40}
SHARED_SESSIONS = (
    "this is a connection pooler that gives each transaction another session; notifications, the queue and migrations "
    "need one: set SCENEWIRE_DATABASE_DIRECT_URL to the address of Postgres itself"
)


class Pooled(NamedTuple):
    """A database, by its own address and through PgBouncer."""

    direct: str
    through: str
    bouncer: PgBouncer

    @asynccontextmanager
    async def server(self, folder: Path, direct_url: str) -> AsyncGenerator[App]:
        """Run a server on this database through PgBouncer; several share the media in `folder`."""
        async with running(folder, database_url=self.through, database_direct_url=direct_url) as app:
            yield app


@pytest.fixture
def transactions(postgres: Databases) -> Generator[Pooled]:
    """A pooler that gives each transaction another session."""
    yield from _pooled(postgres, "transaction")


@pytest.fixture(params=["session", "transaction"])
def any_mode(postgres: Databases, request: pytest.FixtureRequest) -> Generator[Pooled]:
    """A pooler of either mode."""
    yield from _pooled(postgres, request.param)


def _pooled(postgres: Databases, pool_mode: str) -> Generator[Pooled]:
    with (
        postgres.fresh() as url,
        pgbouncer(url, pool_mode=pool_mode, default_pool_size=POOL_SIZES[pool_mode]) as bouncer,
    ):
        yield Pooled(url, bouncer.url(url), bouncer)


async def make_and_follow(api: App, other: App) -> None:
    """Render a job, change another one concurrently, and follow it through the other server."""
    made = await jobs.make(api, jobs.scene(steps=2), jobs.scene(steps=2), start=True)
    assert await jobs.settled(other, made.id) == "COMPLETED"
    edited = await jobs.make(api, *[jobs.scene()] * 10)
    document = "subscription($id: ID!) { jobEvents(jobId: $id) { ... on JobEvent { version } } }"
    async with other.subscribe(document, id=edited.id) as stream:
        await stream.next()
        await asyncio.gather(*(jobs.retitle(api, edited.id, f"Title {n}") for n in range(20)))
        versions = [(await stream.next())["jobEvents"]["version"] for _ in range(20)]
    assert versions == list(range(edited.version + 1, edited.version + 21))


async def test_servers_behind_pooler_render_and_notify_each_other(
    any_mode: Pooled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers, with LISTEN on the direct address; no periodic resync replaces a notification."""
    monkeypatch.setattr(hub, "RESYNC_SECONDS", 3_600.0)
    await check_migrated(Settings(database_url=any_mode.through, database_direct_url=any_mode.direct))
    async with (
        any_mode.server(tmp_path, any_mode.direct) as one,
        any_mode.server(tmp_path, any_mode.direct) as other,
    ):
        await make_and_follow(one, other)


async def test_pooler_that_keeps_sessions_needs_no_direct_address(
    postgres: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notifications arrive through a pooler in session mode."""
    monkeypatch.setattr(hub, "RESYNC_SECONDS", 3_600.0)
    for pooled in _pooled(postgres, "session"):
        await check_migrated(Settings(database_url=pooled.through))
        async with pooled.server(tmp_path, "") as one, pooled.server(tmp_path, "") as other:
            await make_and_follow(one, other)


async def test_pooled_transactions_have_timeouts_and_leave_nothing_in_the_session(any_mode: Pooled) -> None:
    """Behind a pooler timeouts are set in each transaction and no statement stays prepared; otherwise both persist."""
    with production_timeouts():
        direct = await session_of_second_transaction(any_mode.direct)
        through = await session_of_second_transaction(any_mode.through)
    assert (direct, through) == (("1s", "3s", True), ("1s", "3s", False))


async def session_of_second_transaction(url: str) -> tuple[object, ...]:
    """Return both timeouts, and whether the session has named prepared statements."""
    database = Database(url)
    statement = """
        SELECT current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'),
               (SELECT count(*) > 0 FROM pg_prepared_statements WHERE name <> '')
    """
    async with database.connect(database.writer) as connection, connection.begin():
        await connection.exec_driver_sql(statement)
    async with database.connect(database.writer) as connection, connection.begin():
        session = (await connection.exec_driver_sql(statement)).one()
    await database.close()
    return tuple(session)


def test_pooler_that_keeps_no_sessions_is_refused_in_one_line(
    transactions: Pooled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command refuses it, as the only address and as the direct one."""
    monkeypatch.setattr(listener, "TRIAL_SECONDS", 0.3)
    for name, settings in (
        ("DATABASE_URL", {"database_url": transactions.through}),
        ("DATABASE_DIRECT_URL", {"database_url": transactions.direct, "database_direct_url": transactions.through}),
    ):
        line = f"SCENEWIRE_{name}: {SHARED_SESSIONS}"
        for command in (("migrate",), ("revoke", "--sub", "amy")):
            assert invoke(*command, **settings) == (2, "", f"scenewire: {line}\n"), command
        # What `serve` and `worker` do before anything else.
        with pytest.raises(WrongSettings) as refused:
            asyncio.run(check_migrated(Settings.model_validate(settings)))
        assert str(refused.value) == line


def test_migrate_behind_pooler_uses_the_direct_address(transactions: Pooled, postgres: Databases) -> None:
    """The tables of the migrations and of the queue are created through the direct address."""
    with postgres.blank() as blank:
        settings = {"database_url": transactions.bouncer.url(blank), "database_direct_url": blank}
        assert invoke("migrate", **settings).status == 0
        asyncio.run(check_migrated(Settings.model_validate(settings)))
