"""Unexpected errors: masked in the response, logged once with an id, and rolled back."""

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
    """Replaces a function with one that raises an unexpected error."""

    def __init__(self, *_args: object, **_more: object) -> None:
        raise RuntimeError(SECRET)


def reported_ids(record: logging.LogRecord, answer: httpx.Response) -> Json:
    """Return the ids in the response by which an operator finds the log record."""
    assert record.__dict__["request_id"] == answer.headers["x-request-id"]
    assert record.__dict__["error_id"] in record.getMessage()
    return {"id": record.__dict__["error_id"], "requestId": record.__dict__["request_id"]}


def only_error(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    """Return the only record of level ERROR, which has the traceback."""
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == SECRET
    return record


async def test_unexpected_error_of_a_query_is_masked(
    app: App, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other fields have their data."""
    made = await a_job(app, "One")
    monkeypatch.setattr("models.domain.progress.percentage", Broken)
    document = f'{{ node(id: "{made.id}") {{ id }} job(id: "{made.id}") {{ progress {{ percentage }} }} }}'
    answer = await app.http.post("/graphql", json={"query": document})
    record = only_error(caplog)
    assert answer.status_code == 200
    assert answer.json() == {
        "data": {"node": {"id": made.id}, "job": None},
        "errors": [
            {
                "message": "Internal error",
                "locations": [{"line": 1, "column": document.index("percentage") + 1}],
                "path": ["job", "progress", "percentage"],
                "extensions": {"code": "INTERNAL", **reported_ids(record, answer)},
            }
        ],
        "extensions": {"cost": {"requested": 7, "limit": 6000}},
    }
    assert SECRET not in answer.text


async def test_unexpected_error_of_a_mutation_is_masked_and_rolled_back(
    app: App, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next mutation succeeds."""
    made = await a_job(app, "One")
    before = await jobs.job(app, made.id, EVERYTHING)
    with monkeypatch.context() as patch:
        patch.setattr(Change, "settle", Broken)
        document = "mutation($id: ID!) { updateScene(input: {sceneId: $id, status: COMPLETED}) { scene { id } } }"
        answer = await app.result(document, id=made.scenes[0])
    (error,) = answer["errors"]
    assert answer["data"] is None
    assert error["message"] == "Internal error"
    assert error["extensions"]["id"] == only_error(caplog).__dict__["error_id"]
    assert await jobs.job(app, made.id, EVERYTHING) == before
    await jobs.retitle(app, made.id, "Written")


@pytest.mark.parametrize(
    ("method", "path", "broken"),
    [
        ("GET", "", "models.reads.queries.progress_snapshots"),
        ("GET", "/{scene}", "models.reads.queries.scenes_by_id"),
        ("PUT", "/{scene}", "models.writes.jobs_of_scenes.JobsOfScenes.get"),
        ("POST", "/{scene}/regenerate", "models.writes.jobs_of_scenes.JobsOfScenes.get"),
        ("DELETE", "/{scene}", "models.writes.jobs_of_scenes.JobsOfScenes.get"),
    ],
)
async def test_unexpected_error_of_a_rest_call_is_masked(
    app: App,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    broken: str,
) -> None:
    """In the shape of REST errors."""
    made = await a_job(app, "One")
    with monkeypatch.context() as patch:
        patch.setattr(broken, Broken)
        body = {"title": "New"} if method == "PUT" else None
        address = f"/api/v3/jobs/{made.id}/scenes{path.format(scene=made.scenes[0])}"
        answer = await app.http.request(method, address, json=body)
    assert answer.status_code == 500
    reported = reported_ids(only_error(caplog), answer)
    assert answer.json() == {
        "error": {
            "code": "INTERNAL",
            "message": "Internal error",
            "details": [{"id": reported["id"], "request_id": reported["requestId"]}],
        }
    }
    assert (await app.http.get(f"/api/v3/jobs/{made.id}/scenes")).status_code == 200


async def test_domain_errors_and_invalid_requests_are_not_logged_as_errors(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """Mistakes of clients must not fill the log."""
    made = await a_job(app, "One")
    for body in (b'{"status": "shiny"}', b"{", b"[" * 100_000, b'{"percentage": 7}'):
        address = f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}"
        answer = await app.http.put(address, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422
    await app.mutate("regenerateScene", "errors { code }", sceneId=made.scenes[0])
    await app.result("{ nothing }")
    await app.result('{ jobs(after: "nonsense") { totalCount } }')
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
