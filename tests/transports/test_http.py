"""GraphQL over HTTP, beyond what the audits of its working group ask."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from server.transports import TransportLimits
from server.transports.accept import GRAPHQL_RESPONSE, JSON
from tests.support.sample_app import SECRET, Sample
from tests.support.uvicorn_server import Served
from tests.support.waiting import TIMEOUT_SECONDS
from tests.transports.conftest import Start

PATH = "/graphql"
JSON_BODY = {"content-type": "application/json"}


def code_of(response: httpx.Response) -> str:
    """The code of the only error; there is nothing else in the body."""
    body = response.json()
    assert list(body) == ["errors"]
    (error,) = body["errors"]
    return error["extensions"]["code"]


async def post(http: httpx.AsyncClient, accept: str | None = None, **params: Any) -> httpx.Response:
    return await http.post(PATH, json=params, headers={"accept": accept or JSON})


@pytest.mark.parametrize("media_type", [JSON, GRAPHQL_RESPONSE])
async def test_a_query_is_answered_in_the_type_asked_for(http: httpx.AsyncClient, media_type: str) -> None:
    """The charset says what the specification prescribes."""
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
async def test_a_request_error_is_a_400_without_data(
    http: httpx.AsyncClient, params: dict[str, Any], code: str
) -> None:
    """And a 200 for a client of plain JSON, which may not read the bodies of other statuses."""
    modern, legacy = await post(http, GRAPHQL_RESPONSE, **params), await post(http, JSON, **params)
    assert (modern.status_code, legacy.status_code) == (400, 200)
    assert code_of(modern) == code_of(legacy) == code


async def test_a_document_of_too_many_tokens_is_not_read_to_its_end(start: Start) -> None:
    """Each costs time, and hundreds of bytes."""
    served = await start(Sample(limits=TransportLimits(document_tokens=50)))
    async with httpx.AsyncClient(base_url=served.origin) as http:
        accepted = await post(http, query="{ " + "hello " * 48 + "}")
        refused = await post(http, query="{ " + "hello " * 49 + "}")
    assert accepted.json() == {"data": {"hello": "Hello world"}}
    assert code_of(refused) == "GRAPHQL_PARSE_FAILED"
    assert "50 tokens" in refused.json()["errors"][0]["message"]


async def test_one_of_several_operations_is_run_by_its_name(http: httpx.AsyncClient) -> None:
    """An empty name is none."""
    query = 'query A { hello(name: "A") } query B { hello(name: "B") }'
    assert (await post(http, query=query, operationName="B")).json() == {"data": {"hello": "Hello B"}}
    assert (await post(http, query="query A { hello }", operationName="")).json()["data"]


async def test_a_field_error_leaves_the_other_fields(http: httpx.AsyncClient) -> None:
    """A partial result is a 200."""
    response = await post(http, GRAPHQL_RESPONSE, query="{ hello broken }")
    assert response.status_code == 200
    assert response.json()["data"] == {"hello": "Hello world", "broken": None}


async def test_a_field_error_that_reaches_the_root_is_a_200_with_null(http: httpx.AsyncClient) -> None:
    """It was executed: the entry is there."""
    response = await post(http, GRAPHQL_RESPONSE, query="{ fatal }")
    assert response.status_code == 200
    assert response.json()["data"] is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"42",
        b"null",
        b'"query"',
        b"[]",
        b'[{"query": "{ hello }"}]',
        b"{",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"query": "{ hello }", "variables": {"n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b'{"query": "{ hello }", "variables": {"n": ' + b"[" * 201 + b"]" * 201 + b"}}",
        b"\xff\xfe{}",
        b'{"query": "{ hello \xc3\x28 }"}',
        b'\xef\xbb\xbf{"query": "{ hello }"}',
        '{"query": "{ hello }"}'.encode("utf-16"),
        b'{"query": "{ hello }", "variables": {"n": ' + b"9" * 5_000 + b"}}",
        b'{"query": "{ hello }", "variables": {"n": NaN}}',
        b'{"query": "{ hello }", "variables": {"n": -Infinity}}',
        b'{"query": "{ hello }", "variables": {"n": 1e999}}',
        b'{"query": "{ hello }", "variables": {"n": "\\ud800"}}',
        b'{"query": "{ hello }", "variables": {"\\uDFFF": 1}}',
        b'{"query": "{ hello }"} trailing',
        b'{"query": null}',
        b'{"query": "{ hello }", "variables": "none"}',
        b'{"query": "{ hello }", "extensions": 1}',
        b'{"query": "{ hello }", "operationName": {}}',
    ],
    ids=lambda body: repr(body[:48]),
)
async def test_a_malformed_body_is_a_400(http: httpx.AsyncClient, body: bytes, log: pytest.LogCaptureFixture) -> None:
    """With a GraphQL error, and not a word of it in the log."""
    response = await http.post(PATH, content=body, headers=JSON_BODY)
    assert response.status_code == 400
    assert code_of(response) == "BAD_REQUEST"
    assert [record.getMessage() for record in log.records if record.levelname != "INFO"] == []


async def test_a_pair_of_surrogates_is_a_character(http: httpx.AsyncClient) -> None:
    """Only the halves are refused."""
    body = b'{"query": "query($n: String!) { hello(name: $n) }", "variables": {"n": "\\ud83c\\udfac"}}'
    response = await http.post(PATH, content=body, headers=JSON_BODY)
    assert response.json() == {"data": {"hello": "Hello 🎬"}}


async def test_an_integer_beyond_64_bits_can_be_answered(http: httpx.AsyncClient) -> None:
    """The fast writer refuses it; the slow one does not."""
    assert (await post(http, query="{ big }")).json() == {"data": {"big": 2**70}}


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "application/json"),
        ({"content-type": "text/plain"}, "application/json"),
        ({"content-type": "application/x-www-form-urlencoded"}, "application/json"),
        ({"content-type": "multipart/form-data; boundary=x"}, "application/json"),
        ({"content-type": "application/jsonx"}, "application/json"),
        ({"content-type": "application/json; charset=latin-1"}, "UTF-8"),
        ({"content-type": "application/json", "content-encoding": "gzip"}, "compressed"),
    ],
)
async def test_a_body_of_another_type_is_a_415(http: httpx.AsyncClient, headers: dict[str, str], message: str) -> None:
    """Which keeps forms of other sites out, too."""
    response = await http.post(PATH, content=b'{"query": "{ hello }"}', headers=headers)
    assert response.status_code == 415
    assert code_of(response) == "UNSUPPORTED_MEDIA_TYPE"
    assert message in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", 'Application/JSON;charset="utf8"'])
async def test_utf_8_may_be_named(http: httpx.AsyncClient, content_type: str) -> None:
    """In either spelling."""
    headers = {"content-type": content_type}
    assert (await http.post(PATH, content=b'{"query": "{ hello }"}', headers=headers)).status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "image/png", "application/json;q=0"])
async def test_a_type_that_is_not_spoken_is_a_406(http: httpx.AsyncClient, accept: str) -> None:
    """In JSON all the same: somebody will read it."""
    response = await post(http, accept, query="{ hello }")
    assert (response.status_code, code_of(response)) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_another_method_is_a_405(http: httpx.AsyncClient, method: str) -> None:
    """With the methods that are allowed."""
    response = await http.request(method, PATH, json={"query": "{ hello }"})
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert code_of(response) == "METHOD_NOT_ALLOWED"


async def test_get_answers_queries(http: httpx.AsyncClient) -> None:
    """Variables and extensions are JSON in the URL; empty ones are none."""
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
async def test_get_answers_nothing_else(
    http: httpx.AsyncClient, sample: Sample, params: dict[str, str], status: int
) -> None:
    """Least of all a mutation, which a link could trigger."""
    response = await http.get(PATH, params=params)
    assert response.status_code == status
    assert code_of(response)
    assert sample.probe.written == []
    if status == 405:
        assert response.headers["allow"] == "POST"


async def test_get_can_be_switched_off(start: Start) -> None:
    """Then only a browser may GET: the explorer."""
    served = await start(Sample(get_queries=False))
    async with httpx.AsyncClient() as http:
        refused = await http.get(served.http, params={"query": "{ hello }"})
        page = await http.get(served.http, headers={"accept": "text/html"})
    assert (refused.status_code, code_of(refused)) == (405, "METHOD_NOT_ALLOWED")
    assert refused.headers["allow"] == "POST"
    assert "Explorer" in page.text


async def test_a_browser_gets_the_explorer(http: httpx.AsyncClient) -> None:
    """Unless its address holds a query."""
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    assert "Explorer" in (await http.get(PATH, headers=browser)).text
    queried = await http.get(PATH, headers=browser, params={"query": "{ hello }"})
    assert queried.json() == {"data": {"hello": "Hello world"}}
    assert (await http.get(PATH)).status_code == 400


async def test_a_subscription_is_told_where_to_go(http: httpx.AsyncClient, sample: Sample) -> None:
    """It is not run as a query."""
    response = await post(http, query="subscription { forever }")
    assert (response.status_code, code_of(response)) == (400, "STREAM_REQUIRED")
    message = response.json()["errors"][0]["message"]
    assert "graphql-transport-ws" in message
    assert "text/event-stream" in message
    assert sample.probe.live == 0


async def test_a_context_may_turn_the_caller_away(http: httpx.AsyncClient) -> None:
    """With a status of HTTP."""
    response = await http.post(PATH, json={"query": "{ hello }"}, headers={"x-caller": "nobody"})
    assert (response.status_code, code_of(response)) == (401, "UNAUTHENTICATED")


async def test_a_context_that_fails_is_a_500_that_tells_nothing(
    http: httpx.AsyncClient, log: pytest.LogCaptureFixture
) -> None:
    """Logged once, under the id that the client is given."""
    response = await http.post(PATH, json={"query": "{ hello }"}, headers={"x-caller": "broken"})
    assert response.status_code == 500
    assert SECRET not in response.text
    (error,) = response.json()["errors"]
    (record,) = [record for record in log.records if record.levelname == "ERROR"]
    assert error["extensions"] == {"code": "INTERNAL", "id": record.__dict__["error_id"]}
    assert record.exc_info


async def exchange(served: Served, *chunks: bytes) -> tuple[int, bytes]:
    """Bytes on the wire, for what no well-behaved client sends."""
    reader, writer = await asyncio.open_connection(served.host, served.port)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.decode().splitlines() if line.startswith("content-length"))
            body = await reader.readexactly(int(length.partition(":")[2]))
    finally:
        writer.close()
    return int(head.split()[1]), body


HEAD = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


async def test_a_body_over_the_limit_is_a_413(start: Start) -> None:
    """Whole, and the connection survives for the next request."""
    served = await start(Sample(limits=TransportLimits(body_bytes=1_000)))
    async with httpx.AsyncClient() as http:
        response = await http.post(served.http, json={"query": "x" * 3_000_000})
        assert (response.status_code, code_of(response)) == (413, "PAYLOAD_TOO_LARGE")
        assert (await http.post(served.http, json={"query": "{ hello }"})).status_code == 200


async def test_a_declared_length_is_believed_before_anything_arrives(served: Served) -> None:
    """Nobody waits for ten megabytes to say no."""
    status, body = await exchange(served, HEAD + b"content-length: 10000000\r\n\r\n")
    assert (status, json.loads(body)["errors"][0]["extensions"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_body_without_a_length_is_counted_as_it_arrives(served: Served) -> None:
    """It need not even end."""
    chunk = b"%x\r\n%s\r\n" % (65_536, b"x" * 65_536)
    status, body = await exchange(served, HEAD + b"transfer-encoding: chunked\r\n\r\n", *[chunk] * 17)
    assert (status, json.loads(body)["errors"][0]["extensions"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_length_that_lies_cuts_the_body(served: Served) -> None:
    """What is beyond it is not this request's: below HTTP, where uvicorn says so."""
    status, _ = await exchange(served, HEAD + b'content-length: 10\r\n\r\n{"query": "{ hello }"}')
    assert status == 400


async def test_a_client_that_leaves_in_mid_body_is_not_worth_a_line(
    served: Served, log: pytest.LogCaptureFixture
) -> None:
    """No traceback, and the server lives on."""
    _, writer = await asyncio.open_connection(served.host, served.port)
    writer.write(HEAD + b'content-length: 100\r\n\r\n{"query"')
    await writer.drain()
    writer.transport.abort()
    async with httpx.AsyncClient() as http:
        assert (await http.post(served.http, json={"query": "{ hello }"})).status_code == 200
    assert [record for record in log.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_the_router_may_live_under_a_prefix(start: Start) -> None:
    """With all its methods."""
    served = await start(Sample(prefix="/api"))
    async with httpx.AsyncClient(base_url=served.origin) as http:
        assert (await http.post("/api/graphql", json={"query": "{ hello }"})).status_code == 200
        assert (await http.put("/api/graphql")).json()["errors"]
