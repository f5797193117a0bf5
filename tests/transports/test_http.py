"""GraphQL over HTTP, beyond the audits of its working group."""

from typing import Any

import httpx
import pytest

from server.transports.limits import TransportLimits
from server.transports.responses.accept import GRAPHQL_RESPONSE, JSON
from tests.support.client import NO_AUTHORITIES
from tests.support.sample_app import SECRET, Sample
from tests.transports.conftest import Start
from tests.transports.http_requests import PATH, code_of, post


@pytest.mark.parametrize("media_type", [JSON, GRAPHQL_RESPONSE])
async def test_query_result_has_the_accepted_media_type(http: httpx.AsyncClient, media_type: str) -> None:
    """With the charset that the specification requires."""
    response = await post(http, media_type, query="query($n: String!) { hello(name: $n) }", variables={"n": "Zoë"})
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.json() == {"data": {"hello": "Hello Zoë"}}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": ""}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query($n: String!) { hello(name: $n) }"}, "BAD_USER_INPUT"),
        ({"query": "query($n: String) { hello(name: $n) }", "variables": {"n": 1}}, "BAD_USER_INPUT"),
        ({"query": "query A { hello }", "operationName": "B"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "query A { hello } query B { hello }"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "fragment F on Query { hello }"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "{ " + "a" * 3 + " { b " * 10_000}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "query A { hello } query A { hello }", "operationName": "A"}, "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_request_error_is_a_400_without_data(http: httpx.AsyncClient, params: dict[str, Any], code: str) -> None:
    """A 200 for a client of plain JSON, which may not read the body of another status."""
    modern, legacy = await post(http, GRAPHQL_RESPONSE, **params), await post(http, JSON, **params)
    assert (modern.status_code, legacy.status_code) == (400, 200)
    assert code_of(modern) == code_of(legacy) == code


async def test_document_with_too_many_tokens_is_rejected(start: Start) -> None:
    """Each token costs time and hundreds of bytes."""
    served = await start(Sample(limits=TransportLimits(document_tokens=50)))
    async with httpx.AsyncClient(base_url=served.origin, verify=NO_AUTHORITIES) as http:
        accepted = await post(http, query="{ " + "hello " * 48 + "}")
        rejected = await post(http, query="{ " + "hello " * 49 + "}")
    assert accepted.json() == {"data": {"hello": "Hello world"}}
    assert code_of(rejected) == "GRAPHQL_PARSE_FAILED"
    assert "50 tokens" in rejected.json()["errors"][0]["message"]


async def test_operation_name_selects_one_of_several_operations(http: httpx.AsyncClient) -> None:
    """An empty name means absent."""
    query = 'query A { hello(name: "A") } query B { hello(name: "B") }'
    assert (await post(http, query=query, operationName="B")).json() == {"data": {"hello": "Hello B"}}
    assert (await post(http, query="query A { hello }", operationName="")).json()["data"]


async def test_field_error_keeps_the_other_fields(http: httpx.AsyncClient) -> None:
    """A partial result is a 200."""
    response = await post(http, GRAPHQL_RESPONSE, query="{ hello broken }")
    assert response.status_code == 200
    assert response.json()["data"] == {"hello": "Hello world", "broken": None}


async def test_field_error_of_a_non_null_root_field_is_a_200_with_null_data(http: httpx.AsyncClient) -> None:
    """The operation was executed, so the body has data."""
    response = await post(http, GRAPHQL_RESPONSE, query="{ fatal }")
    assert response.status_code == 200
    assert response.json()["data"] is None


@pytest.mark.parametrize("accept", ["text/html", "image/png", "application/json;q=0"])
async def test_unsupported_accept_header_is_a_406(http: httpx.AsyncClient, accept: str) -> None:
    """The body is JSON nevertheless."""
    response = await post(http, accept, query="{ hello }")
    assert (response.status_code, code_of(response)) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_unsupported_http_method_is_a_405(http: httpx.AsyncClient, method: str) -> None:
    """With the allowed methods."""
    response = await http.request(method, PATH, json={"query": "{ hello }"})
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert code_of(response) == "METHOD_NOT_ALLOWED"


async def test_get_request_executes_a_query(http: httpx.AsyncClient) -> None:
    """Variables and extensions are JSON in the URL; an empty string means absent."""
    params = {"query": "query($n: String!) { hello(name: $n) }", "variables": '{"n": "you"}', "extensions": ""}
    response = await http.get(PATH, params=params)
    assert response.json() == {"data": {"hello": "Hello you"}}
    head = await http.head(PATH, params=params)
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 400),
        ({"query": "{ hello }", "variables": "{"}, 400),
        ({"query": "{ hello }", "variables": "[1]"}, 400),
        ({"query": "{ hello }", "extensions": "1"}, 400),
        ({"query": 'mutation { write(value: "x") }'}, 405),
        ({"query": "subscription { forever }"}, 400),
    ],
)
async def test_get_request_executes_no_mutation_or_subscription(
    http: httpx.AsyncClient, sample: Sample, params: dict[str, str], status: int
) -> None:
    """A link must not trigger a mutation."""
    response = await http.get(PATH, params=params)
    assert response.status_code == status
    assert code_of(response)
    assert sample.probe.written == []
    if status == 405:
        assert response.headers["allow"] == "POST"


async def test_get_queries_can_be_disabled(start: Start) -> None:
    """A browser still gets the explorer."""
    served = await start(Sample(get_queries=False))
    async with httpx.AsyncClient(verify=NO_AUTHORITIES) as http:
        rejected = await http.get(served.http, params={"query": "{ hello }"})
        page = await http.get(served.http, headers={"accept": "text/html"})
    assert (rejected.status_code, code_of(rejected)) == (405, "METHOD_NOT_ALLOWED")
    assert rejected.headers["allow"] == "POST"
    assert "Explorer" in page.text


async def test_browser_gets_the_explorer_page(http: httpx.AsyncClient) -> None:
    """Unless the URL has a query."""
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    assert "Explorer" in (await http.get(PATH, headers=browser)).text
    queried = await http.get(PATH, headers=browser, params={"query": "{ hello }"})
    assert queried.json() == {"data": {"hello": "Hello world"}}
    assert (await http.get(PATH)).status_code == 400


async def test_subscription_over_plain_http_is_rejected_with_the_alternatives(
    http: httpx.AsyncClient, sample: Sample
) -> None:
    """It is not executed."""
    response = await post(http, query="subscription { forever }")
    assert (response.status_code, code_of(response)) == (400, "STREAM_REQUIRED")
    message = response.json()["errors"][0]["message"]
    assert "graphql-transport-ws" in message
    assert "text/event-stream" in message
    assert sample.probe.live == 0


async def test_context_can_reject_the_request(http: httpx.AsyncClient) -> None:
    """With an HTTP status."""
    response = await http.post(PATH, json={"query": "{ hello }"}, headers={"x-caller": "unknown"})
    assert (response.status_code, code_of(response)) == (401, "UNAUTHENTICATED")


async def test_context_error_is_a_masked_500(http: httpx.AsyncClient, log: pytest.LogCaptureFixture) -> None:
    """Logged once, under the id that the client receives."""
    response = await http.post(PATH, json={"query": "{ hello }"}, headers={"x-caller": "broken"})
    assert response.status_code == 500
    assert SECRET not in response.text
    (error,) = response.json()["errors"]
    (record,) = [record for record in log.records if record.levelname == "ERROR"]
    assert error["extensions"] == {"code": "INTERNAL", "id": record.__dict__["error_id"]}
    assert record.exc_info


async def test_http_routes_accept_a_path_prefix(start: Start) -> None:
    """For all methods."""
    served = await start(Sample(prefix="/api"))
    async with httpx.AsyncClient(base_url=served.origin, verify=NO_AUTHORITIES) as http:
        assert (await http.post("/api/graphql", json={"query": "{ hello }"})).status_code == 200
        assert (await http.put("/api/graphql")).json()["errors"]
