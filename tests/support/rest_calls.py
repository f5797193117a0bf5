"""Calls of the REST API, and the answers that tests expect."""

from typing import Any

import httpx

from tests.support.client import Client, Json
from tests.support.jobs import Made

PREFIX = "/api/v3"


async def call(
    client: Client, method: str, job_id: str, scene_id: str = "", verb: str = "", **fields: Any
) -> httpx.Response:
    """Send one of the five REST calls; the fields are the JSON body."""
    path = "/".join(part for part in (f"{PREFIX}/jobs/{job_id}/scenes", scene_id, verb) if part)
    return await client.http.request(method, path, json=fields or None)


async def data(client: Client, method: str, *place: str, **fields: Any) -> Json:
    """Return the `data` of a call that must succeed."""
    answer = await call(client, method, *place, **fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()["data"]


async def error(client: Client, method: str, *place: str, **fields: Any) -> tuple[int, Json]:
    """Return status and error of a call that must fail. The error has a full sentence and is the whole body."""
    answer = await call(client, method, *place, **fields)
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["error"]
    assert body["error"]["message"].endswith(".")
    return answer.status_code, body["error"]


def refusal(code: str, message: str, *path: str) -> Json:
    """Return the error body of one refusal."""
    return {"code": code, "message": message, "details": [{"code": code, "message": message, "path": list(path)}]}


def no_job() -> tuple[int, Json]:
    """Return the answer for a job that does not exist."""
    return 404, refusal("NOT_FOUND", "There is no such job.", "job_id")


def place(made: Made, scene: int = 0) -> tuple[str, str]:
    """Return the ids of the job and of one scene, as a REST path needs them."""
    return made.id, made.scenes[scene]
