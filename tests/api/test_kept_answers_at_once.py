"""Kept answers to repeated requests, which are sent without a task: what they show, and what is counted of them."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.transports.documents.persisted import sha256
from server.transports.protocols.kept_head_protocol import KeptHeadProtocol
from tests.support import jobs
from tests.support.raw_http import RawConnection, RawResponse, raw_connection
from tests.support.tokens import ProductionServer, production_server, token

pytestmark = pytest.mark.both_databases

QUERY = "query One($id: ID!) { job(id: $id) { id title version progress { total percentage updatedAt } } }"
METRICS = "a token of the monitoring, long enough"
LIMIT = 1_000
"""Of cost in a minute."""
COST_OF_OTHERS = 100
"""No less than what is spent before the query."""
WARMED = 4
"""After so many requests, the head, the query and the answer are kept."""


class Tasks:
    """Counts the requests that were answered by a task, among those with a known head."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        run: Any = KeptHeadProtocol._run  # pyright: ignore[reportPrivateUsage] # the answers do not show it

        async def counted(*arguments: object) -> None:
            self.count += 1
            await run(*arguments)

        monkeypatch.setattr(KeptHeadProtocol, "_run", counted)


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Tasks:
    return Tasks(monkeypatch)


@pytest.fixture
async def server(database: None, tmp_path: Path) -> AsyncGenerator[ProductionServer]:
    async with production_server(
        tmp_path, limit_cost_a_minute=LIMIT, metrics_token=METRICS, persisted_queries=1
    ) as running:
        yield running


@pytest.fixture
async def connection(server: ProductionServer) -> AsyncGenerator[RawConnection]:
    host, port = server.app.url.removeprefix("http://").split(":")
    async with raw_connection(host, int(port)) as opened:
        yield opened


def executed(server: ProductionServer, requests: int) -> int:
    """Return how many of these requests need a task, although their answer is the one before."""
    # Postgres is asked by a statement whether anything has changed.
    return 0 if server.app.container.store.database.embedded else requests


async def ask(connection: RawConnection, job_id: str, user: str, **document: Any) -> RawResponse:
    """Send the query of a job, or another document."""
    body = json.dumps((document or {"query": QUERY}) | {"variables": {"id": job_id}}).encode()
    head = f"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nauthorization: Bearer {user}\r\n"
    await connection.send(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    return await connection.response()


def registered(document: str) -> dict[str, Any]:
    """Return the extensions with the identifier of a document."""
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256(document)}}


async def counts(server: ProductionServer) -> list[float]:
    """Return the answers of plans, those to the query, and the cost of these."""
    page = (await server.app.http.get("/metrics", headers={"authorization": f"Bearer {METRICS}"})).text
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    return [
        samples["scenewire_answers_total", "compiled", ""],
        samples["scenewire_operations_total", "query", "One", "ok"],
        samples["scenewire_operation_cost_total", "query", "One"],
    ]


async def test_kept_answer_is_sent_without_a_task_until_something_changes(
    server: ProductionServer, connection: RawConnection, tasks: Tasks
) -> None:
    """Then the next answer shows the change."""
    amy = server.user("amy")
    job = await jobs.make(amy, jobs.scene())
    user = token("amy")
    answers = [await ask(connection, job.id, user) for _ in range(WARMED)]
    before = tasks.count
    answers += [await ask(connection, job.id, user) for _ in range(3)]
    assert tasks.count == before + executed(server, 3)
    assert len({answer.body for answer in answers}) == 1
    assert {tuple(answer.headers) for answer in answers} == {tuple(answers[0].headers)}
    await jobs.change(amy, "updateJob", jobId=job.id, title="Changed")
    changed = await ask(connection, job.id, user)
    assert changed.json["data"]["job"]["title"] == "Changed"
    assert tasks.count == before + executed(server, 3) + 1


async def test_kept_answer_of_one_caller_is_not_sent_to_another(
    server: ProductionServer, connection: RawConnection
) -> None:
    """The same bytes with another token are another question."""
    job = await jobs.make(server.user("amy"), jobs.scene())
    amy, ben = token("amy"), token("ben")
    for _ in range(WARMED):
        assert (await ask(connection, job.id, amy)).json["data"]["job"]["id"] == job.id
        assert (await ask(connection, job.id, ben)).json["data"]["job"] is None


async def test_kept_answer_is_not_sent_when_its_document_is_forgotten(
    server: ProductionServer, connection: RawConnection
) -> None:
    """The identifier of a registered document may stand for nothing by now."""
    job = await jobs.make(server.user("amy"), jobs.scene())
    user, others = token("amy"), QUERY.replace("One", "Two")
    await ask(connection, job.id, user, query=QUERY, extensions=registered(QUERY))
    for _ in range(WARMED):
        answer = await ask(connection, job.id, user, extensions=registered(QUERY))
        assert answer.json["data"]["job"]["id"] == job.id
    await ask(connection, job.id, user, query=others, extensions=registered(others))
    (error,) = (await ask(connection, job.id, user, extensions=registered(QUERY))).json["errors"]
    assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"


async def test_kept_answers_are_counted(server: ProductionServer, connection: RawConnection, tasks: Tasks) -> None:
    """As answers of plans, with their cost: beyond the rate limit they are refused as others."""
    job = await jobs.make(server.user("amy"), jobs.scene())
    user = token("amy")
    first = await ask(connection, job.id, user)
    cost = first.json["extensions"]["cost"]["requested"]
    for _ in range(WARMED):
        await ask(connection, job.id, user)
    before, counted = tasks.count, await counts(server)
    answers: list[RawResponse] = []
    while not answers or answers[-1].status == 200:
        answers.append(await ask(connection, job.id, user))
    sent = len(answers) - 1
    compiled, named, spent = [after - before for before, after in zip(counted, await counts(server), strict=True)]
    assert (compiled, named, spent) == (sent, sent, sent * cost)
    assert tasks.count == before + executed(server, sent) + 1
    assert answers[-1].status == 429
    assert answers[-1].json["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert first.headers.keys() <= answers[-1].headers.keys()
    assert 0 <= LIMIT - cost * (len(answers) + WARMED) < COST_OF_OTHERS + cost
