"""REST as its clients call it."""

from typing import Any

import httpx

from tests.support.client import Client, Json
from tests.support.jobs import Made

PREFIX = "/api/v3"


async def call(
    client: Client, method: str, job_id: str, scene_id: str = "", verb: str = "", **fields: Any
) -> httpx.Response:
    """One of the five calls; the fields are the body."""
    path = "/".join(part for part in (f"{PREFIX}/jobs/{job_id}/scenes", scene_id, verb) if part)
    return await client.http.request(method, path, json=fields or None)


async def data(client: Client, method: str, *place: str, **fields: Any) -> Json:
    """The `data` of a call that must be accepted."""
    answer = await call(client, method, *place, **fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()["data"]


async def error(client: Client, method: str, *place: str, **fields: Any) -> tuple[int, Json]:
    """Status and error of a call that must be refused. Its message is a sentence, and nothing else is told."""
    answer = await call(client, method, *place, **fields)
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["error"]
    assert body["error"]["message"].endswith(".")
    return answer.status_code, body["error"]


def refusal(code: str, message: str, *path: str) -> Json:
    """The error of one refusal."""
    return {"code": code, "message": message, "details": [{"code": code, "message": message, "path": list(path)}]}


def no_job() -> tuple[int, Json]:
    """The answer about a job that is not there."""
    return 404, refusal("NOT_FOUND", "There is no such job.", "job_id")


def place(made: Made, scene: int = 0) -> tuple[str, str]:
    """Job and scene as they stand in an address."""
    return made.id, made.scenes[scene]
