"""The commands `audit`, `jobs` and `queue`, beside a server that runs."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from coordinator.renders.limits import Limits
from models.reads.waiting_for import NO_WORKER
from tests.support import jobs
from tests.support.client import Json
from tests.support.command_line import Ran, invoke
from tests.support.factories import NO_SCENE, accepted
from tests.support.leasing import a_lease, a_leased_job
from tests.support.plain_ids import plain_text
from tests.support.server_app import App, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

# Read from right to left.
ARABIC = " ".join(["مرحبا بالعالم"] * 6)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server that renders nothing, so that what waits goes on waiting."""
    folder, limits = tmp_path_factory.mktemp("terminal"), {"leased": 1}
    async with running(folder, renders=False, provider_concurrency=limits, lease_seconds=600) as server:
        yield server


async def run(server: App, *arguments: str) -> Ran:
    """Run a command on the database of the server."""
    limits = json.dumps(server.container.settings.provider_concurrency)
    url = server.container.settings.database_url
    return await asyncio.to_thread(invoke, *arguments, database_url=url, provider_concurrency=limits)


async def lines(server: App, *arguments: str) -> list[Json]:
    """Run a command that prints JSON."""
    ran = await run(server, *arguments, "--json")
    assert (ran.status, ran.err) == (0, "")
    return [json.loads(line) for line in ran.out.splitlines()]


async def test_jobs_are_listed_with_state_and_progress(server: App) -> None:
    """The newest first, those of a status or an owner, and the title at the end of the line."""
    draft = await jobs.make(server, title=ARABIC)
    started = await jobs.make(server, provider="external", start=True, title="Started")
    listed = await lines(server, "jobs", "--limit", "2")
    expected = [
        (started.id, "PROCESSING", "1 scene in the queue", "external", "local"),
        (draft.id, "PENDING", "Waiting to be started", "scripted", "local"),
    ]
    assert [(e["id"], e["status"], e["state"], e["provider"], e["owner"]) for e in listed] == expected
    assert [each["id"] for each in await lines(server, "jobs", "--status", "pending", "--limit", "1")] == [draft.id]
    assert await lines(server, "jobs", "--owner", "nobody") == []
    table = await run(server, "jobs", "--limit", "2")
    assert (table.status, table.err) == (0, "")
    assert [line.split()[0] for line in table.out.splitlines()] == ["JOB", started.id, draft.id]
    assert table.out.splitlines()[2].endswith(f"  {ARABIC}")


def _ten_hours(_limits: Limits, _attempts_left: int) -> float:
    return 36_000.0


async def test_queue_tells_for_what_each_take_waits(server: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a process, its turn, a report, a worker, a place among workers, or the end of a pause."""
    monkeypatch.setattr(Limits, "backoff_seconds", _ten_hours)
    own = await jobs.make(server, jobs.scene(), jobs.scene(), start=True)
    outside = await jobs.make(server, provider="external", start=True)
    leased = await a_leased_job(server, 3)
    paused, held, third = leased.scenes
    found = await waiting(server)
    assert {scene: found[scene] for scene in (*own.scenes, outside.scenes[0], *leased.scenes)} == {
        own.scenes[0]: (0, "a process that renders: none is rendering"),
        own.scenes[1]: (1, "its turn: 1 before it"),
        outside.scenes[0]: (None, "a report of an external worker"),
        paused: (0, f"a leased worker: {NO_WORKER}"),
        held: (1, f"a leased worker: {NO_WORKER}"),
        third: (2, f"a leased worker: {NO_WORKER}"),
    }
    failure = {"code": "TOO_HOT", "message": "The GPU is hot.", "retryable": True}
    failed = await a_lease(server)
    assert failed["scene"]["id"] == paused
    await accepted(server, "failTake", "scene { id }", token=failed["token"], failure=failure)
    assert (await a_lease(server))["scene"]["id"] == held
    found = await waiting(server, "--provider", "leased")
    assert found.keys() == {paused, third}
    assert re.fullmatch(r"a pause of \S+ \S+ before attempt 2 of 3, after TOO_HOT", found[paused][1])
    assert found[third][1].startswith("a place: 1 of 1 are taken")
    (line,) = [each for each in await lines(server, "queue", "--provider", "leased") if each["kind"] == "provider"]
    assert line.pop("longestSeconds") >= 0
    counts = {"waiting": 2, "paused": 1, "running": 1, "places": 1}
    assert line == {"kind": "provider", "provider": "leased", **counts}
    table = await run(server, "queue", "--provider", "leased", "--limit", "1")
    summary, _, heading, take, more = table.out.splitlines()[1:]
    assert summary.split()[:5] == ["leased", "2", "1", "1", "1"]
    assert (heading.split()[0], take.split()[0]) == ("SCENE", third)
    assert more == "… and 1 more takes; --limit shows more of them"


async def waiting(server: App, *arguments: str) -> dict[str, tuple[int | None, str]]:
    """Return of each take that waits how many are before it, and for what it waits."""
    found = await lines(server, "queue", *arguments)
    return {each["scene"]: (each["ahead"], each["waitingFor"]) for each in found if each["kind"] == "take"}


async def test_span_longer_than_the_calendar_begins_with_it(server: App) -> None:
    """No database refuses the instant."""
    made = await jobs.make(server)
    (entry,) = await lines(server, "audit", "--job", made.id, "--since", "999999d")
    assert entry["action"] == "createJob"
    assert await lines(server, "audit", "--job", made.id, "--until", "999999d") == []


@pytest.mark.sqlite_alone
async def test_audit_log_is_narrowed_by_request_user_job_and_time(server: App) -> None:
    """Newest last; entries about a job include those about its scenes, and refusals."""
    made = await jobs.make(server)
    headers = {"x-request-id": "a-request-of-ours"}
    document = f'''mutation {{
        a: updateScene(input: {{sceneId: "{made.scenes[0]}", prompt: "Dusk"}}) {{ errors {{ code }} }}
        b: cancelJob(input: {{jobId: "{made.id}", expectedVersion: 99}}) {{ errors {{ code }} }}
    }}'''
    await server.http.post("/graphql", json={"query": document}, headers=headers)
    of_request = ("audit", "--request", "a-request-of-ours")

    async def are_written() -> bool:
        return len(await lines(server, *of_request)) == 2

    await eventually(are_written)
    shown = ("user", "action", "object", "result", "requestId")
    entries = [tuple(each[name] for name in shown) for each in await lines(server, "audit", "--job", made.id)]
    assert entries[0][:4] == ("local", "createJob", made.id, "OK")
    assert sorted(entries[1:]) == [
        ("local", "cancelJob", made.id, "STALE_VERSION", "a-request-of-ours"),
        ("local", "updateScene", made.scenes[0], "OK", "a-request-of-ours"),
    ]
    updated, _ = sorted(await lines(server, *of_request), key=lambda each: str(each["action"]), reverse=True)
    at = updated["at"]
    before = await lines(server, "audit", "--job", made.id, "--until", at)
    assert [each["action"] for each in before] == ["createJob"]
    assert updated in await lines(server, "audit", "--since", at)
    assert updated in await lines(server, "audit", "--user", "local", "--since", "1h")
    assert await lines(server, "audit", "--user", "nobody") == []
    (newest,) = await lines(server, "audit", "--job", made.id, "--limit", "1")
    assert newest["action"] != "createJob"
    table = await run(server, *of_request)
    assert table.out.splitlines()[0].split() == ["AT", "(UTC)", "USER", "ACTION", "OBJECT", "RESULT", "REQUEST"]
    assert table.out.count("a-request-of-ours") == 2


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("audit", "--since", "soon"), "--since: 'soon' is not an instant such as"),
        (("audit", "--until", "2026-13-01"), "--until: '2026-13-01' is not an instant such as"),
        (("audit", "--job", NO_SCENE), f"--job: '{NO_SCENE}' is not the id of a job"),
        (("jobs", "--limit", "0"), "Invalid value for '--limit'"),
        (("jobs", "--status", "asleep"), "Invalid value for '--status'"),
    ],
    ids=plain_text,
)
async def test_wrong_option_is_named(server: App, arguments: tuple[str, ...], error: str) -> None:
    """With exit status 2, and nothing is read."""
    ran = await run(server, *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert error in ran.err


@pytest.mark.sqlite_alone
async def test_narrow_terminal_cuts_what_can_be_spared(server: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is longer than the terminal, ids are whole, and NO_COLOR is heeded."""
    # Not in the queue of another test.
    made = await jobs.make(server, provider="external", title="A very long title " * 10, start=True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    for command in ("jobs", "queue", "audit"):
        for columns in ("60", "90", "130"):
            monkeypatch.setenv("COLUMNS", columns)
            printed = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in (await run(server, command)).out.splitlines()]
            assert max(len(line) for line in printed) <= int(columns), command
        assert any(made.id in line or made.scenes[0] in line for line in printed)
    table = (await run(server, "jobs")).out
    assert not re.search(r"\x1b\[(?:[0-9]+;)*3[0-7]m", table)
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[36mPROCESSING" in (await run(server, "jobs")).out


@pytest.mark.sqlite_alone
async def test_commands_need_a_database_that_is_migrated(tmp_path: Path) -> None:
    """They create none, and say what to do."""
    missing = tmp_path / "none.db"
    for command in ("audit", "jobs", "queue"):
        ran = await asyncio.to_thread(invoke, command, database_url=f"sqlite+aiosqlite:///{missing}")
        error = f"scenewire: SCENEWIRE_DATABASE_URL: there is no database at {missing}\n"
        assert ran == (2, "", error)
    assert not missing.exists()
    # No system has a name as long as this.
    too_long = tmp_path / ("x" * 300)
    ran = await asyncio.to_thread(invoke, "jobs", database_url=f"sqlite+aiosqlite:///{too_long}")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("scenewire: SCENEWIRE_DATABASE_URL: ")
