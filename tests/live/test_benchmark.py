"""The parts of the benchmark, with tiny numbers and without peers from a registry."""

import asyncio
import shutil
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from bench import chart, contenders, data, machine, queries, report
from bench.answers import AnswersDiffer, ask, check_equal
from bench.contenders import LIMIT, OURS, STRAWBERRY
from bench.context import check_answers
from bench.measure import Figure, LoadFailed, Requests
from bench.results import Result
from bench.server import Launch, Server, Target
from bench.streams import Stream, check_messages, delays, write
from server.settings import LONGEST_SECONDS
from tests.support.migrated_file import create_migrated
from tests.support.server_app import running

JOBS = 3
SUBSCRIBERS = 4
CHANGES = 3


class InProcess(NamedTuple):
    """The server of a test, as the benchmark sees a server."""

    name: str
    port: int
    path: str = "/graphql"


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A migrated SQLite file with a few jobs."""
    create_migrated(tmp_path)
    file = tmp_path / "test.db"
    data.fill_sqlite(file, JOBS)
    return file


@contextmanager
def started(launch: Launch, folder: Path) -> Generator[Server]:
    """Run one of the programs of the benchmark."""
    with Server(launch, folder / "log") as server:
        yield server


def copied(file: Path, name: str) -> str:
    """Return a copy of a database, which no other server changes."""
    return str(shutil.copyfile(file, file.with_name(name)))


def reads(target: Target, other: Target) -> None:
    """Compare the answers to both measured queries."""
    single = [queries.body(queries.ONE_JOB, id=data.job_id(number)) for number in range(JOBS)]
    check_answers([target, other], [queries.body(queries.BIG_LIST), *single])


def messages(target: Target, query: str, version: int) -> tuple[str, list[float]]:
    """Return the last message of a few subscribers, and the delays of the changes."""
    stream = Stream(target, query, [0] * SUBSCRIBERS)
    try:
        changes = write(target, [data.scene_id(0)], CHANGES)
        arrived = stream.wait_for(version + CHANGES)
    finally:
        stream.stop()
    return arrived["sample"], delays(arrived, changes, version, SUBSCRIBERS)


async def test_programs_beside_the_server_give_its_answers(filled: Path, tmp_path: Path) -> None:
    """The hand-written limit and plain Strawberry answer both queries as the server does."""
    launches = [
        contenders.limit("reads", copied(filled, "1.db")),
        contenders.peer(STRAWBERRY, copied(filled, "2.db")),
    ]
    async with running(tmp_path, limit_cost=1_000_000, external_deadline_seconds=LONGEST_SECONDS) as app:
        ours = InProcess(OURS, int(app.url.rpartition(":")[2]))
        for launch in launches:
            with started(launch, tmp_path) as server:
                await asyncio.to_thread(reads, ours, server)


@pytest.mark.parametrize("query", queries.STREAMS.values(), ids=[name.replace(" ", "_") for name in queries.STREAMS])
async def test_frames_written_by_hand_say_what_the_server_says(filled: Path, tmp_path: Path, query: str) -> None:
    """The limit of fan-out sends the messages that the server sends, for the same changes."""
    with started(contenders.limit("frames", copied(filled, "1.db")), tmp_path) as limit:
        expected, late = await asyncio.to_thread(messages, limit, query, 1)
        async with running(tmp_path, external_deadline_seconds=LONGEST_SECONDS) as app:
            ours = InProcess(OURS, int(app.url.rpartition(":")[2]))
            sent, _ = await asyncio.to_thread(messages, ours, query, 1)
    check_messages(sent, expected, LIMIT)
    assert len(late) == CHANGES


async def test_statements_by_hand_leave_the_rows_of_the_server(filled: Path, tmp_path: Path) -> None:
    """The limit of writing changes a scene and creates a job so that the server reads both as its own."""
    created = queries.body(queries.CREATE_JOB, input=queries.new_job("By hand", 2))
    changed = queries.body(queries.UPDATE_SCENE, input={"sceneId": data.scene_id(0), "title": "By hand"})
    with started(contenders.limit("writes", str(filled)), tmp_path) as server:
        job = (await asyncio.to_thread(ask, server, created))["createJob"]["job"]
        scene = (await asyncio.to_thread(ask, server, changed))["updateScene"]["scene"]
    async with running(tmp_path, external_deadline_seconds=LONGEST_SECONDS) as app:
        selection = "id version status scenes { nodes { title currentTake { number } } } events { version type }"
        read = (await app.execute(f"query($id: ID!) {{ job(id: $id) {{ {selection} }} }}", id=job["id"]))["job"]
        document = "query($id: ID!) { scene(id: $id) { title version job { version events(after: 1) { type } } } }"
        shown = (await app.execute(document, id=data.scene_id(0)))["scene"]
    scenes = [{"title": "A scene", "currentTake": {"number": 1}}] * 2
    assert read == {**job, "scenes": {"nodes": scenes}, "events": [{"version": 1, "type": "JOB_CREATED"}]}
    assert (shown["title"], shown["version"]) == (scene["title"], scene["version"])
    assert shown["job"] == {"version": 2, "events": [{"type": "SCENE_UPDATED"}]}


async def test_requests_are_counted_when_answered(filled: Path, tmp_path: Path) -> None:
    """A load of a number of requests counts each answer, and fails for a server that answers with errors."""
    with started(contenders.limit("reads", copied(filled, "1.db")), tmp_path) as server:
        load = Requests([queries.body(queries.BIG_LIST)], connections=2, seconds=60.0, limit=20)
        result = await asyncio.to_thread(lambda: load.start(server).last_answer())
        assert (result["answered"], result["failed"], len(result["milliseconds"])) == (20, 0, 20)
        missing = Requests([queries.body(queries.ONE_JOB, id="job_0")], connections=1, seconds=60.0, limit=2)
        with pytest.raises(LoadFailed):
            await asyncio.to_thread(missing.run, server)


def test_server_on_a_taken_port_is_refused(tmp_path: Path) -> None:
    """A program is not started on a port where something else listens."""
    server = Server(contenders.limit("reads", "none"), tmp_path / "log")
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.port))
        other.listen()
        with pytest.raises(machine.PortTaken), server:
            pass


def test_different_answers_are_refused() -> None:
    """An answer that differs in one value is not timed; instants and numbers may be written differently."""
    one = {"job": {"at": "2026-01-01T12:00:00.250000Z", "done": 42, "scenes": [{"title": None}]}}
    check_equal(one, {"job": {"at": "2026-01-01T12:00:00.25+00:00", "done": 42.0, "scenes": [{"title": None}]}}, "same")
    with pytest.raises(AnswersDiffer, match=r"data\.job\.scenes\.0\.title"):
        check_equal(one, {"job": {**one["job"], "scenes": [{"title": "A kite"}]}}, "other")


def test_table_and_chart_show_ratios_and_missed_bars(tmp_path: Path) -> None:
    """The table has the ratio and whether the bar is met, and replaces the former one; the chart is well-formed."""
    result = Result.of("a work", "answers/s", {OURS: [Figure(50.0, 20.0, 1.0)], LIMIT: [Figure(100.0, 10.0, 0.5)]})
    result.compare(LIMIT, 0.4)
    result.compare(LIMIT, 0.9)
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n{report.BEGIN}\nold\n{report.END}\nrest\n")
    report.write(page, report.table([result]))
    text = page.read_text()
    assert "✓ ÷ hand-written 0.50 (bar ≥ 0.40, by CPU 0.50)<br>✗ ÷ hand-written 0.50 (bar ≥ 0.90" in text
    assert "50.0 answers/s, 20.0 ms" in text
    assert "100 answers/s*" in text
    assert "old" not in text
    assert text.endswith("rest\n")
    bars = ElementTree.fromstring(chart.svg([result])).findall("{http://www.w3.org/2000/svg}rect")  # noqa: S314 # ours
    assert len(bars) == 2
