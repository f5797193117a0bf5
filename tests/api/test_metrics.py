"""The metrics of requests: where they are shown, to whom, what they count, and that clients cannot make them grow."""

from collections.abc import AsyncGenerator

import httpx
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from server.telemetry.request_metrics import LONGEST_NAME, MOST_NAMES, OTHER, UNNAMED
from tests.support.client import Json
from tests.support.metrics_page import documented_labels
from tests.support.server_app import App, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "a token of the monitoring, long enough"
BEARER = {"authorization": f"Bearer {TOKEN}"}

Samples = dict[tuple[str, tuple[str, ...]], float]
"""Values by the name of the sample, and the values of its labels in the order of their names."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server that shows its metrics beside the API."""
    async with running(tmp_path_factory.mktemp("metrics"), metrics_token=TOKEN, limit_connections=2) as app:
        yield app


async def scrape(app: App) -> str:
    """Return what Prometheus reads."""
    answer = await app.http.get("/metrics", headers=BEARER)
    assert answer.status_code == 200
    return answer.text


async def samples(app: App) -> Samples:
    """Return the values of a scrape."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(await scrape(app))
        for sample in family.samples
    }


async def test_operations_are_counted_by_name_and_outcome(app: App) -> None:
    """With their cost, and the messages and the lag of subscriptions."""
    before = await samples(app)
    for _ in range(3):
        await app.execute("query Named { serverInfo { version } }")
    await app.result("query Invalid { nothing }")
    await app.mutate("startJob", "errors { code }", jobId="job_01h455vb4pex5vsknk084sn02q")
    created: Json = await app.mutate(
        "createJob", "job { id scenes { nodes { id } } }", title="a", scenes=[{"prompt": "b"}], provider="external"
    )
    job = created["job"]
    document = "subscription Watch($id: ID!) { jobEvents(jobId: $id) { __typename } }"
    async with app.subscribe(document, id=job["id"]) as stream:
        await stream.next()
        await app.mutate("updateScene", "errors { code }", sceneId=job["scenes"]["nodes"][0]["id"], status="PROCESSING")
        await stream.next()
        during = await samples(app)
    await eventually(lambda: len(app.container.connections) == 0)
    after = await samples(app)

    def grown(name: str, *labels: str) -> float:
        return after[name, labels] - before.get((name, labels), 0.0)

    assert grown("scenewire_operations_total", "query", "Named", "ok") == 3
    assert grown("scenewire_operation_seconds_count", "query", "Named") == 3
    assert grown("scenewire_operation_cost_total", "query", "Named") >= 3
    assert grown("scenewire_operations_total", "query", OTHER, "refused") == 1
    assert grown("scenewire_operations_total", "mutation", "unnamed", "refused") == 1
    assert grown("scenewire_operations_total", "mutation", "unnamed", "ok") == 2
    assert grown("scenewire_answers_total", "compiled", "") >= 5
    assert during["scenewire_subscriptions_open", ("Watch",)] == 1
    assert during["scenewire_connections_open", ()] == 1
    assert after["scenewire_subscriptions_open", ("Watch",)] == 0
    assert grown("scenewire_subscriptions_ended_total", "Watch", "ok") == 1
    assert grown("scenewire_messages_sent_total") >= 2
    assert grown("scenewire_delivery_lag_seconds_count") >= 1
    assert grown("scenewire_operation_seconds_bucket", "query", "+Inf", "Named") == 3


async def test_refused_connections_are_counted(app: App) -> None:
    """By the limit that they exceed."""
    query = {"query": "subscription { jobsUpdated { id } }"}
    accept = {"accept": "text/event-stream"}
    async with (
        app.http.stream("POST", "/graphql", json=query, headers=accept) as one,
        app.http.stream("POST", "/graphql", json=query, headers=accept) as other,
    ):
        assert (one.status_code, other.status_code) == (200, 200)
        # It waits until both peers have answered a probe.
        assert (await app.http.post("/graphql", json=query, headers=accept)).status_code == 429
    assert (await samples(app))["scenewire_rate_limited_total", ("connections",)] >= 1


async def test_names_of_clients_do_not_make_the_metrics_grow(app: App) -> None:
    """Beyond a number of them all are counted together; long ones and those of invalid documents always."""
    await app.execute(f"query {'L' * (LONGEST_NAME + 1)} {{ __typename }}")
    for number in range(MOST_NAMES + 30):
        await app.execute(f"query Made{number} {{ __typename }}")
        await app.result(f"query Invalid{number} {{ nothing }}")
    found = await samples(app)
    # Names of subscriptions take places too.
    names = {labels[1] for name, labels in found if name == "scenewire_operations_total"}
    names |= {labels[0] for name, labels in found if name == "scenewire_subscriptions_open"}
    assert len(names - {OTHER, UNNAMED}) == MOST_NAMES
    assert not [name for name in names if name.startswith(("Invalid", "LLL"))]
    total = sum(found.get(("scenewire_operations_total", ("query", OTHER, how)), 0.0) for how in ("ok", "refused"))
    assert total >= MOST_NAMES + 30 + 30


async def test_page_lists_each_metric_with_its_labels(app: App) -> None:
    """And no other metric of requests or of the process."""
    listed = documented_labels()
    shown = set[str]()
    for family in text_string_to_metric_families(await scrape(app)):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        shown.add(name)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == listed[name], name
    assert shown <= set(listed)
    assert {name for name in listed if name.startswith("scenewire_operation")} <= shown


@pytest.mark.parametrize("sent", [{}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}])
async def test_metrics_need_their_token(app: App, sent: dict[str, str]) -> None:
    """Of no user: a token of the monitoring."""
    answer = await app.http.get("/metrics", headers=sent)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="metrics"')
    assert "scenewire_" not in answer.text


async def test_metrics_can_be_read_only(app: App) -> None:
    """By GET and HEAD, of which the latter has no body."""
    assert (await app.http.post("/metrics", headers=BEARER)).status_code == 405
    head = await app.http.head("/metrics", headers=BEARER)
    assert (head.status_code, head.content) == (200, b"")


async def test_server_without_settings_of_metrics_has_none(shared: App) -> None:
    """Not even the path."""
    answer: httpx.Response = await shared.http.get("/metrics", headers=BEARER)
    assert answer.status_code == 404
    assert shared.container.metrics is None
