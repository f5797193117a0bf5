"""What nobody expected: told without details, logged once with an id to find it by, and nothing is left half done."""

import logging

import httpx
import pytest

from models.writes.change import Change
from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import a_job
from tests.support.queries import EVERYTHING
from tests.support.server_app import App

SECRET = "the password is swordfish"


class Broken:
    """Stands in for something that fails in a way that nobody thought of."""

    def __init__(self, *_args: object, **_more: object) -> None:
        raise RuntimeError(SECRET)


def found_by(record: logging.LogRecord, answer: httpx.Response) -> Json:
    """What a client can tell an operator of it: two names that the log holds as well."""
    assert record.__dict__["request_id"] == answer.headers["x-request-id"]
    assert record.__dict__["error_id"] in record.getMessage()
    return {"id": record.__dict__["error_id"], "requestId": record.__dict__["request_id"]}


def logged(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    """The only record of level ERROR or above; it has the traceback."""
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == SECRET
    return record


async def test_a_query(app: App, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other fields are answered."""
    made = await a_job(app, "One")
    monkeypatch.setattr("models.reads.queries.progress_snapshots", Broken)
    document = f'{{ node(id: "{made.id}") {{ id }} job(id: "{made.id}") {{ progress {{ total }} }} }}'
    answer = await app.http.post("/graphql", json={"query": document})
    record = logged(caplog)
    assert answer.status_code == 200
    assert answer.json() == {
        "data": {"node": {"id": made.id}, "job": None},
        "errors": [
            {
                "message": "Internal error",
                "locations": [{"line": 1, "column": document.index("progress") + 1}],
                "path": ["job", "progress"],
                "extensions": {"code": "INTERNAL", **found_by(record, answer)},
            }
        ],
        "extensions": {"cost": {"requested": 2, "limit": 1000}},
    }
    assert SECRET not in answer.text


async def test_a_mutation(app: App, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is written, and the next one is served."""
    made = await a_job(app, "One")
    before = await jobs.job(app, made.id, EVERYTHING)
    with monkeypatch.context() as patch:
        patch.setattr(Change, "settle", Broken)
        document = "mutation($id: ID!) { updateScene(input: {sceneId: $id, status: COMPLETED}) { scene { id } } }"
        answer = await app.result(document, id=made.scenes[0])
    (error,) = answer["errors"]
    assert answer["data"] is None
    assert error["message"] == "Internal error"
    assert error["extensions"]["id"] == logged(caplog).__dict__["error_id"]
    assert await jobs.job(app, made.id, EVERYTHING) == before
    await jobs.retitle(app, made.id, "Written")


@pytest.mark.parametrize(
    ("method", "path", "broken"),
    [
        ("GET", "", "models.reads.queries.progress_snapshots"),
        ("GET", "/{scene}", "models.reads.queries.scenes_by_id"),
        ("PUT", "/{scene}", "models.reads.queries.job_of_scene"),
        ("POST", "/{scene}/regenerate", "models.reads.queries.job_of_scene"),
        ("DELETE", "/{scene}", "models.reads.queries.job_of_scene"),
    ],
)
async def test_a_call_of_rest(
    app: App,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    broken: str,
) -> None:
    """In its own shape, and logged once as well."""
    made = await a_job(app, "One")
    with monkeypatch.context() as patch:
        patch.setattr(broken, Broken)
        body = {"title": "New"} if method == "PUT" else None
        address = f"/api/v3/jobs/{made.id}/scenes{path.format(scene=made.scenes[0])}"
        answer = await app.http.request(method, address, json=body)
    assert answer.status_code == 500
    told = found_by(logged(caplog), answer)
    assert answer.json() == {
        "error": {
            "code": "INTERNAL",
            "message": "Internal error",
            "details": [{"id": told["id"], "request_id": told["requestId"]}],
        }
    }
    assert (await app.http.get(f"/api/v3/jobs/{made.id}/scenes")).status_code == 200


async def test_a_refusal_is_no_accident(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """A client's mistake leaves no trace in the log of errors."""
    made = await a_job(app, "One")
    for body in (b'{"status": "shiny"}', b"{", b"[" * 100_000, b'{"percentage": 7}'):
        address = f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}"
        answer = await app.http.put(address, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422
    await app.mutate("regenerateScene", "errors { code }", sceneId=made.scenes[0])
    await app.result("{ nothing }")
    await app.result('{ jobs(after: "nonsense") { totalCount } }')
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
