"""What an operator sees of takes, leases and webhooks: log lines, metrics, and the trace that runs through them."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from models.db.database import Connection
from models.domain import trace
from models.reads.backlog import Backlog, backlog
from providers.port import Order
from providers.scripted import ScriptedProvider
from providers.trace_headers import trace_headers
from server.telemetry import work_gauges
from tests.support import jobs, leasing
from tests.support.client import Json
from tests.support.server_app import App, running
from tests.support.waiting import eventually
from tests.support.webhook_calls import hook
from tests.support.webhook_receiver import receiving

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "a token of the monitoring, long enough"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
OPEN_LEASES = "scenes { nodes { currentTake { worker { leases { traceparent } } } } }"
STATES = {"queued", "claimed", "submitted", "finished", "failed", "delivered", "returned", "canceled"}


class Recording(ScriptedProvider):
    """Records the trace of each order, and the headers that requests of it would have."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[tuple[str | None, Mapping[str, str]]] = []

    async def submit(self, order: Order) -> str:
        """Accept the order."""
        self.orders.append((order.traceparent, trace_headers()))
        return await super().submit(order)


provider = Recording()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server that shows its metrics; every request of its client belongs to one trace."""
    folder = tmp_path_factory.mktemp("takes")
    async with running(folder, {"scripted": provider}, metrics_token=TOKEN) as app:
        app.http.headers["traceparent"] = TRACEPARENT
        yield app


async def samples(app: App) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return the values of a scrape, by name and labels in alphabetical order."""
    answer = await app.http.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def lines(log: pytest.LogCaptureFixture, scene_id: str) -> list[Json]:
    """Return the attributes of the lines of takes of a scene, in the order in which they were written."""
    states = {f"render.{state}" for state in STATES}
    records = [vars(record) for record in log.records]
    return [each for each in records if each.get("scene") == scene_id and each.get("action") in states]


async def test_render_is_logged_and_counted_from_the_queue_to_its_clip(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """A take that fails and is retried, with its price, its webhook and its video; all of one trace."""
    caplog.set_level(logging.INFO)
    before = await samples(app)
    async with receiving() as receiver:
        await hook(app, receiver.url, "SCENE_COMPLETED")
        script = jobs.scene(failTakes=1, stepSeconds=0.0, cost={"amount": "0.35", "currency": "USD"})
        job = await jobs.make(app, script, start=True)
        assert await jobs.settled(app, job.id) == "COMPLETED"
        (delivered,) = await receiver.count(1)

    found = lines(caplog, job.scenes[0])
    states = [each["action"].removeprefix("render.") for each in found]
    assert states == ["queued", "claimed", "submitted", "failed", "queued", "claimed", "submitted", "finished"]
    assert [each["take"] for each in found] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert {(each["job"], each["provider"]) for each in found} == {(job.id, "scripted")}
    assert [each["attempt"] for each in found if each["action"] != "render.queued"] == [1, 1, 1, 2, 2, 2]
    failed = found[3]
    assert (failed["code"], failed["retried"]) == ("SCRIPTED_FAILURE", True)
    assert all(each["seconds"] >= 0 for each in found if each["action"] not in ("render.queued", "render.submitted"))
    assert not [each for each in found if "lighthouse" in repr(each)]

    context = trace.parse(delivered.headers["traceparent"])
    assert context is not None
    assert context.trace_id == TRACE_ID
    for traceparent, headers in provider.orders:
        assert traceparent == headers["traceparent"]
        assert headers["traceparent"].split("-")[1] == TRACE_ID
    # Each take has a span of its own.
    assert len({traceparent for traceparent, _ in provider.orders}) == len(provider.orders) == 2

    after = await samples(app)

    def grown(name: str, *labels: str) -> float:
        return after.get((name, labels), 0.0) - before.get((name, labels), 0.0)

    assert grown("scenewire_takes_total", "finished", "scripted") == 1
    assert grown("scenewire_takes_total", "retried", "scripted") == 1
    assert grown("scenewire_take_retries_total", "scripted") == 1
    assert grown("scenewire_takes_queued_total", "scripted") == 2
    assert grown("scenewire_take_failures_total", "SCRIPTED_FAILURE", "scripted") == 1
    assert grown("scenewire_take_submissions_total", "scripted") == 2
    assert grown("scenewire_purchases_total", "scripted") == 0
    assert grown("scenewire_cost_total", "USD", "scripted") == 0.35
    assert grown("scenewire_take_waiting_seconds_count", "scripted") == 2
    assert grown("scenewire_take_rendering_seconds_count", "finished", "scripted") == 1


async def test_webhooks_and_joins_are_counted(app: App) -> None:
    """Each attempt by its outcome."""

    async def is_counted() -> bool:
        found = await samples(app)
        joined = found.get(("scenewire_join_seconds_count", ("done",)), 0.0)
        return joined >= 1 and found.get(("scenewire_webhook_attempt_seconds_count", ("accepted",)), 0.0) >= 1

    async with receiving() as receiver:
        await hook(app, receiver.url, "JOB_SETTLED")
        job = await jobs.make(app, jobs.scene(stepSeconds=0.0), start=True)
        assert await jobs.settled(app, job.id) == "COMPLETED"
        await eventually(is_counted)


async def test_leases_are_logged_and_counted_by_their_end(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Released, then failed; the worker gets the span of its render, which is a new one with each lease."""
    caplog.set_level(logging.INFO)
    before = await samples(app)
    job = await leasing.a_leased_job(app)
    spans: list[str] = []
    for call, fields in (("releaseTake", {}), ("failTake", {"failure": {"code": "GPU", "message": "Lost it"}})):
        payload = await leasing.claim(app)
        (lease,) = payload["leases"]
        shown = await jobs.job(app, job.id, OPEN_LEASES)
        ((open_lease,),) = [scene["currentTake"]["worker"]["leases"] for scene in shown["scenes"]["nodes"]]
        spans.append(open_lease["traceparent"])
        ended = await app.mutate(call, "errors { code }", token=lease["token"], **fields)
        assert ended["errors"] == []
    assert {span.split("-")[1] for span in spans} == {TRACE_ID}
    assert len(set(spans)) == 2

    found = lines(caplog, job.scenes[0])
    states = [each["action"].removeprefix("render.") for each in found]
    assert states == ["queued", "claimed", "returned", "claimed", "failed"]
    assert found[-1]["code"] == "GPU"
    assert {each["worker"] for each in found[1:]} == {found[1]["worker"]}

    after = await samples(app)
    assert after["scenewire_leases_granted_total", ()] - before["scenewire_leases_granted_total", ()] == 2
    for outcome in ("released", "failed"):
        key = ("scenewire_leases_ended_total", (outcome,))
        assert after[key] - before.get(key, 0.0) == 1
    assert after["scenewire_database_revision", after_revision(after)] == 1


def after_revision(found: Mapping[tuple[str, tuple[str, ...]], float]) -> tuple[str, ...]:
    """Return the labels of the revision, which are equal: the database is that of the program."""
    ((needed, revision),) = [labels for name, labels in found if name == "scenewire_database_revision"]
    assert needed == revision
    return needed, revision


async def test_queue_is_shown_with_its_age(database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes that wait and takes that are rendered, of each provider; scrapes at the same time read it once."""
    reads = 0

    async def counted(connection: Connection) -> Backlog:
        nonlocal reads
        reads += 1
        return await backlog(connection)

    monkeypatch.setattr(work_gauges, "backlog", counted)
    async with running(tmp_path, renders=False, metrics_token=TOKEN) as app:
        await jobs.make(app, jobs.scene(), jobs.scene(), start=True)
        await jobs.make(app, jobs.scene())
        await leasing.a_leased_job(app)
        await leasing.a_lease(app)
        await leasing.a_leased_job(app, scenes=3)
        found, *_ = await asyncio.gather(*(samples(app) for _ in range(4)))
    assert reads == 1
    assert found["scenewire_queue_takes", ("scripted",)] == 2
    assert found["scenewire_queue_takes", ("leased",)] == 3
    assert found["scenewire_takes_rendering", ("leased",)] == 1
    assert found["scenewire_leases_held", ()] == 1
    assert found["scenewire_queue_oldest_seconds", ("scripted",)] >= 0
    assert found["scenewire_webhook_backlog", ()] == 0
