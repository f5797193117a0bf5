"""Bodies of HTTP requests: JSON, type, size and length."""

import asyncio
import json

import httpx
import pytest

from server.transports.limits import TransportLimits
from tests.support.client import NO_AUTHORITIES
from tests.support.sample_app import Sample
from tests.support.uvicorn_server import Served
from tests.support.waiting import TIMEOUT_SECONDS
from tests.transports.conftest import Start
from tests.transports.http_requests import JSON_BODY, PATH, code_of, post
from tests.transports.log_records import warnings_in


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
)
async def test_malformed_body_is_a_400(http: httpx.AsyncClient, body: bytes, log: pytest.LogCaptureFixture) -> None:
    """With a GraphQL error, and without a warning in the log."""
    response = await http.post(PATH, content=body, headers=JSON_BODY)
    assert response.status_code == 400
    assert code_of(response) == "BAD_REQUEST"
    assert warnings_in(log) == []


async def test_surrogate_pair_in_a_body_is_a_character(http: httpx.AsyncClient) -> None:
    """Only unpaired surrogates are rejected."""
    body = b'{"query": "query($n: String!) { hello(name: $n) }", "variables": {"n": "\\ud83c\\udfac"}}'
    response = await http.post(PATH, content=body, headers=JSON_BODY)
    assert response.json() == {"data": {"hello": "Hello 🎬"}}


async def test_response_can_hold_integers_over_64_bits(http: httpx.AsyncClient) -> None:
    """The standard library encodes what orjson rejects."""
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
async def test_body_of_another_content_type_is_a_415(
    http: httpx.AsyncClient, headers: dict[str, str], message: str
) -> None:
    """This also rejects HTML forms of other sites."""
    response = await http.post(PATH, content=b'{"query": "{ hello }"}', headers=headers)
    assert response.status_code == 415
    assert code_of(response) == "UNSUPPORTED_MEDIA_TYPE"
    assert message in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", 'Application/JSON;charset="utf8"'])
async def test_content_type_may_name_the_charset_utf_8(http: httpx.AsyncClient, content_type: str) -> None:
    """In either spelling."""
    headers = {"content-type": content_type}
    assert (await http.post(PATH, content=b'{"query": "{ hello }"}', headers=headers)).status_code == 200


HEAD = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


async def exchange(served: Served, *chunks: bytes) -> tuple[int, bytes]:
    """Send raw bytes that no HTTP client would send; return the status and the body."""
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


async def test_body_over_the_limit_is_a_413(start: Start) -> None:
    """The response is complete, and the connection accepts the next request."""
    served = await start(Sample(limits=TransportLimits(body_bytes=1_000)))
    async with httpx.AsyncClient(verify=NO_AUTHORITIES) as http:
        response = await http.post(served.http, json={"query": "x" * 3_000_000})
        assert (response.status_code, code_of(response)) == (413, "PAYLOAD_TOO_LARGE")
        assert (await http.post(served.http, json={"query": "{ hello }"})).status_code == 200


async def test_declared_content_length_over_the_limit_is_rejected_at_once(served: Served) -> None:
    """Before any of the body is received."""
    status, body = await exchange(served, HEAD + b"content-length: 10000000\r\n\r\n")
    assert (status, json.loads(body)["errors"][0]["extensions"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_chunked_body_over_the_limit_is_rejected_while_it_is_received(served: Served) -> None:
    """Before its end."""
    chunk = b"%x\r\n%s\r\n" % (65_536, b"x" * 65_536)
    status, body = await exchange(served, HEAD + b"transfer-encoding: chunked\r\n\r\n", *[chunk] * 17)
    assert (status, json.loads(body)["errors"][0]["extensions"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_body_longer_than_its_content_length_is_cut(served: Served) -> None:
    """uvicorn rejects the bytes that follow."""
    status, _ = await exchange(served, HEAD + b'content-length: 10\r\n\r\n{"query": "{ hello }"}')
    assert status == 400


async def test_disconnect_during_a_body_logs_nothing(served: Served, log: pytest.LogCaptureFixture) -> None:
    """And the server continues."""
    _, writer = await asyncio.open_connection(served.host, served.port)
    writer.write(HEAD + b'content-length: 100\r\n\r\n{"query"')
    await writer.drain()
    writer.transport.abort()
    async with httpx.AsyncClient(verify=NO_AUTHORITIES) as http:
        assert (await http.post(served.http, json={"query": "{ hello }"})).status_code == 200
    assert warnings_in(log) == []
