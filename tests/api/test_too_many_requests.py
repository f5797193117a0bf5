"""Responses 429: the body and Retry-After of each state when the same request is accepted."""

import json
import math
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.support import jobs
from tests.support.client import READS_ON_DEMAND, Client, Json
from tests.support.tokens import production_server

QUERY = {"query": "{ viewer { id } }"}
REST = "/api/v3/jobs/1/scenes"


def graphql_retry(answer: httpx.Response) -> float:
    """`retryAfterSeconds` of a GraphQL error."""
    assert (answer.status_code, answer.headers["cache-control"]) == (429, "no-store")
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    return checked(answer, error["extensions"]["retryAfterSeconds"])


def rest_retry(answer: httpx.Response) -> float:
    """`retry_after_seconds` of a REST error."""
    assert (answer.status_code, answer.headers["cache-control"]) == (429, "no-store")
    error = answer.json()["error"]
    assert error["code"] == "RATE_LIMITED"
    (detail,) = error["details"]
    return checked(answer, detail["retry_after_seconds"])


def checked(answer: httpx.Response, seconds: float) -> float:
    assert answer.headers["retry-after"] == str(max(1, math.ceil(seconds)))
    return seconds


async def test_body_of_a_429_for_too_many_requests_has_the_time_to_wait(tmp_path: Path) -> None:
    """Bodies of GraphQL for each media type, and of REST."""
    async with production_server(tmp_path, limit_requests=1) as server:
        amy = server.user("amy").http
        assert (await amy.post("/graphql", json=QUERY)).status_code == 200
        for accept in ("application/json", "application/graphql-response+json", "text/event-stream"):
            answer = await amy.post("/graphql", json=QUERY, headers={"accept": accept})
            assert 0 < graphql_retry(answer) <= 120
        assert 0 < rest_retry(await amy.get(REST)) <= 120


async def test_body_of_a_429_for_too_many_refused_tokens_has_the_time_to_wait(tmp_path: Path) -> None:
    """Bodies of GraphQL and of REST."""
    async with production_server(tmp_path, limit_failed_logins=1) as server:
        guesser = server.client("guess").http
        assert (await guesser.post("/graphql", json=QUERY)).status_code == 401
        assert 0 < graphql_retry(await guesser.post("/graphql", json=QUERY)) <= 120
        assert 0 < rest_retry(await guesser.get(REST)) <= 120


async def test_body_of_a_429_for_too_many_streams_has_the_time_to_wait(tmp_path: Path) -> None:
    """The response to a subscription over server-sent events."""
    async with production_server(tmp_path, limit_connections=1) as server:
        amy = server.user("amy").http
        headers = {"accept": "text/event-stream"}
        document = await stream_document(server.user("amy"))
        async with amy.stream("POST", "/graphql", json=document, headers=headers) as first:
            assert first.status_code == 200
            assert graphql_retry(await amy.post("/graphql", json=document, headers=headers)) > 0


async def stream_document(client: Client) -> dict[str, Any]:
    made = await jobs.make(client)
    return {"query": "subscription($id: ID!) { jobEvents(jobId: $id) { __typename } }", "variables": {"id": made.id}}


async def test_error_of_a_websocket_for_too_many_requests_has_the_time_to_wait(tmp_path: Path) -> None:
    """The socket stays open."""
    async with production_server(tmp_path, limit_requests=1) as server:
        amy = server.user("amy")
        address = f"ws{amy.url.removeprefix('http')}/graphql"
        async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")], **READS_ON_DEMAND) as socket:
            await socket.send(json.dumps(amy.init))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            for number in ("1", "2"):
                await socket.send(json.dumps({"type": "subscribe", "id": number, "payload": QUERY}))
            messages: list[Json] = [json.loads(await socket.recv()) for _ in range(3)]
    errors = [error for message in messages if message["type"] == "error" for error in message["payload"]]
    (error,) = errors
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert 0 < error["extensions"]["retryAfterSeconds"] <= 120


async def test_body_of_a_429_for_a_used_quota_has_the_time_to_wait(tmp_path: Path) -> None:
    """The response to a regenerate over REST."""
    async with production_server(tmp_path, regenerates_an_hour=1, regenerate_burst=1) as server:
        amy = server.user("amy")
        made = await jobs.make(amy)
        path = f"{REST.replace('1', made.id)}/{made.scenes[0]}"
        answers: list[httpx.Response] = []
        for _ in range(2):
            assert (await amy.http.put(path, json={"status": "failed"})).status_code == 200
            answers.append(await amy.http.post(f"{path}/regenerate"))
        assert answers[0].status_code == 200
        assert 0 < rest_retry(answers[1]) <= 3_600
