"""The audit log, request ids and the access log, none of which contains prompts or tokens."""

import logging
import re
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
import pytest_asyncio
import sqlalchemy as sa

from coordinator import audit
from models.db.tables import AUDIT
from server.log_formats import JsonFormatter
from server.transports.logs import hide_query_strings
from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.factories import NO_JOB, NO_SCENE, a_job
from tests.support.tokens import ProductionServer, production_server, token
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

SECRET_WORDS = "the password is swordfish"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ProductionServer]:
    """A production server."""
    async with production_server(tmp_path_factory.mktemp("audit"), get_queries=True) as made:
        yield made


async def records_of(server: ProductionServer, actor: str, *, count: int) -> list[tuple[str, str | None, str]]:
    """Wait for `count` audit records of an actor; return action, object and result of each, oldest first."""
    query = sa.select(AUDIT.c.action, AUDIT.c.object_id, AUDIT.c.result).where(AUDIT.c.actor_id == actor)
    found: list[tuple[str, str | None, str]] = []

    async def are_written() -> bool:
        async with server.app.container.store.read() as connection:
            rows = await connection.execute(query.order_by(AUDIT.c.at, AUDIT.c.id))
            found[:] = [(row[0], row[1], row[2]) for row in rows]
        return len(found) >= count

    await eventually(are_written)
    return found


async def test_every_mutation_has_an_audit_record(server: ProductionServer) -> None:
    """With its object and its result, refused ones included; queries have none."""
    amy = server.user("amy")
    made = await a_job(amy, "One")
    (scene,) = made.scenes
    await jobs.retitle(amy, made.id, "Two")
    await jobs.retitle(amy, made.id, "Two")
    await amy.mutate("startJob", "errors { code }", jobId=made.id, expectedVersion=99)
    await amy.mutate("updateScene", "errors { code }", sceneId=scene, title="", prompt="")
    await amy.mutate("updateScene", "errors { code }", sceneId=NO_SCENE, title="x")
    await amy.mutate("updateScene", "errors { code }", sceneId="x" * 100_000 + "\0", title="x")
    await amy.mutate("regenerateScene", "errors { code }", sceneId=scene, jobId=made.id)
    await amy.execute("{ jobs { totalCount } }")
    assert await records_of(server, "amy", count=8) == [
        ("createJob", made.id, "OK"),
        ("updateJob", made.id, "OK"),
        ("updateJob", made.id, "OK"),
        ("startJob", made.id, "STALE_VERSION"),
        ("updateScene", scene, "VALIDATION_FAILED"),
        ("updateScene", NO_SCENE, "NOT_FOUND"),
        ("updateScene", None, "NOT_FOUND"),
        ("regenerateScene", scene, "NOT_REGENERABLE"),
    ]


async def test_each_mutation_of_one_request_has_an_audit_record(server: ProductionServer) -> None:
    """With its own object and result, and the request id of all."""
    ben = server.user("ben")
    made = await a_job(ben, "One")
    document = f"""mutation {{
        a: updateJob(input: {{jobId: "{made.id}", title: "A"}}) {{ errors {{ code }} }}
        b: updateJob(input: {{jobId: "{NO_JOB}", title: "B"}}) {{ errors {{ code }} }}
        c: cancelScene(input: {{sceneId: "{made.scenes[0]}"}}) {{ errors {{ code }} }}
    }}"""
    answer = await ben.http.post("/graphql", json={"query": document}, headers={"x-request-id": "three-at-once"})
    assert answer.headers["x-request-id"] == "three-at-once"
    records = await records_of(server, "ben", count=4)
    assert sorted(records[1:]) == [
        ("cancelScene", made.scenes[0], "OK"),
        ("updateJob", NO_JOB, "NOT_FOUND"),
        ("updateJob", made.id, "OK"),
    ]
    query = sa.select(sa.func.count()).where(AUDIT.c.request_id == "three-at-once")
    async with server.app.container.store.read() as connection:
        assert (await connection.execute(query)).scalar() == 3


async def test_rest_calls_have_audit_records(server: ProductionServer) -> None:
    """With the action names of the GraphQL mutations."""
    cleo, stranger = server.user("cleo"), server.user("sam")
    made = await a_job(cleo, "One")
    address = f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}"
    assert (await cleo.http.put(address, json={"title": "One"})).status_code == 200
    assert (await cleo.http.post(f"{address}/regenerate")).status_code == 422
    assert (await cleo.http.delete(address)).status_code == 200
    assert (await stranger.http.delete(address)).status_code == 404
    scene = made.scenes[0]
    assert (await records_of(server, "cleo", count=4))[1:] == [
        ("updateScene", scene, "OK"),
        ("regenerateScene", scene, "NOT_REGENERABLE"),
        ("deleteScene", scene, "OK"),
    ]
    assert await records_of(server, "sam", count=1) == [("deleteScene", scene, "NOT_FOUND")]


async def test_mutation_over_websocket_has_an_audit_record(server: ProductionServer) -> None:
    """As over HTTP."""
    dora = server.user("dora")
    made = await a_job(dora, "One")
    document = 'mutation($id: ID!) { updateJob(input: {jobId: $id, title: "By socket"}) { errors { code } } }'
    async with dora.subscribe(document, id=made.id) as stream:
        assert await stream.next() == {"updateJob": {"errors": []}}
    assert await records_of(server, "dora", count=2) == [("createJob", made.id, "OK"), ("updateJob", made.id, "OK")]


async def test_unexpected_error_of_a_mutation_has_an_audit_record(
    server: ProductionServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the result INTERNAL, and the request id in the response."""
    eve = server.user("eve")
    made = await a_job(eve, "One")

    def broken(*_arguments: object) -> None:
        raise RuntimeError(SECRET_WORDS)

    with monkeypatch.context() as patch:
        patch.setattr("models.writes.change.Change.settle", broken)
        document = f'mutation {{ updateJob(input: {{jobId: "{made.id}", title: "B"}}) {{ errors {{ code }} }} }}'
        answer = await eve.result(document)
    assert re.fullmatch(r"[0-9a-f]{16}", answer["errors"][0]["extensions"]["requestId"])
    assert (await records_of(server, "eve", count=2))[1] == ("updateJob", made.id, "INTERNAL")


async def test_old_audit_records_are_deleted(server: ProductionServer) -> None:
    """After the retention time of the settings."""
    fay = server.user("fay")
    await a_job(fay, "One")
    await records_of(server, "fay", count=1)
    store = server.app.container.store
    assert await audit.prune(store, timedelta(days=90)) == 0
    await server.app.container.coordinator.audit.flush()
    assert await audit.prune(store, timedelta(0)) > 0
    assert await records_of(server, "fay", count=0) == []


@pytest.mark.sqlite_alone
@pytest.mark.parametrize("given", ["a", "A-b_9", "x" * 64])
async def test_request_id_of_the_client_is_kept(server: ProductionServer, given: str) -> None:
    """So that a caller can correlate its logs."""
    answer = await server.client(None).http.get("/healthz", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.sqlite_alone
@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a;b", "<script>", "é", "a\tb"])
async def test_invalid_request_id_of_the_client_is_replaced(server: ProductionServer, given: str) -> None:
    """Because it is written to logs."""
    answer = await server.client(None).http.get("/healthz", headers=[(b"x-request-id", given.encode())])
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("POST", "/graphql", 401),
        ("GET", "/nowhere", 401),
        ("GET", f"/api/v3/jobs/{NO_JOB}/scenes", 401),
        ("GET", "/media/x", 404),
        ("POST", "/healthz", 405),
    ],
)
async def test_every_response_has_a_request_id(server: ProductionServer, method: str, path: str, status: int) -> None:
    """Error responses included."""
    answer = await server.client(None).http.request(method, path)
    assert (answer.status_code, bool(answer.headers.get("x-request-id"))) == (status, True)


@pytest.mark.sqlite_alone
async def test_unexpected_error_of_the_media_route_is_masked(
    server: ProductionServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And logged once, with the id in the response."""

    async def broken(_key: str) -> None:
        raise RuntimeError(SECRET_WORDS)

    monkeypatch.setattr(server.app.container.media, "head", broken)
    key = f"live/take_{'0' * 26}.webp"
    link = server.app.container.signed_urls(key).url.removeprefix("http://scenewire.test")
    answer = await server.client(None).http.get(link)
    assert answer.status_code == 500
    error = answer.json()["errors"][0]["extensions"]
    assert (error["code"], error["requestId"]) == ("INTERNAL", answer.headers["x-request-id"])
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert error["id"] in record.getMessage()
    assert SECRET_WORDS not in answer.text


async def test_no_log_record_holds_a_prompt_a_token_or_a_query_string(
    server: ProductionServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Of any request with any result; the access log has one record for each."""
    hide_query_strings()
    # The test's own client logs URLs.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    caplog.set_level(logging.INFO)
    bearer = token("gil", hidden=SECRET_WORDS)
    gil = server.client(bearer)
    made = await a_job(gil, SECRET_WORDS, title=SECRET_WORDS)
    await gil.mutate("updateScene", "errors { code }", sceneId=made.scenes[0], prompt=SECRET_WORDS * 1000)
    await gil.http.get(
        "/graphql", params={"query": f'{{ jobs(filter: {{search: "{SECRET_WORDS}"}}) {{ totalCount }} }}'}
    )
    await server.client(None).http.get("/healthz", params={"access_token": bearer})
    await server.client(f"{bearer}x").http.post("/graphql", json={"query": SECRET_WORDS})
    await server.client(None).http.get("/media/a%0Ab", params={"signature": "swordfish"})
    async with gil.subscribe("subscription { jobsUpdated { id } }") as stream:
        await stream.next()
    text = "\n".join(JsonFormatter().format(record) for record in caplog.records)
    assert "swordfish" not in text
    assert bearer not in text
    assert [
        (record.getMessage(), record.__dict__["status"], record.__dict__["client"])
        for record in caplog.records
        if record.name == "scenewire.access"
    ] == [
        ("POST /graphql", 200, "127.0.0.1"),
        ("POST /graphql", 200, "127.0.0.1"),
        ("GET /graphql", 200, "127.0.0.1"),
        ("POST /graphql", 401, "127.0.0.1"),
        ("GET /media/a%0Ab", 404, "127.0.0.1"),
        ("WEBSOCKET /graphql", 101, "127.0.0.1"),
    ]


async def test_refused_mutation_does_not_wait_for_the_audit_log(
    server: ProductionServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the log cannot be written; its record is written later."""
    hal: Client = server.user("hal")

    async def fail(*_arguments: object) -> None:
        raise RuntimeError("not now")

    with monkeypatch.context() as patch:
        patch.setattr("models.writes.audit.write", fail)
        payload: Json = await hal.mutate("startJob", "errors { code }", jobId=NO_JOB)
        assert payload == {"errors": [{"code": "NOT_FOUND"}]}
    assert await records_of(server, "hal", count=1) == [("startJob", NO_JOB, "NOT_FOUND")]
