"""Requests from other origins in a user's browser, and bodies with a false type, encoding or size."""

import gzip
import json
import zlib
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.support.attack_target import Target, bearer, codes, receive, send
from tests.support.client import Client

UNLISTED = "https://evil.example"
LISTED = "https://app.example.com"
QUERY = json.dumps({"query": "{ viewer { id } }"}).encode()
SIMPLE_TYPES = [
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/plain; application/json",
    "application/jsonp",
    "",
]
BAD_ORIGINS = [
    UNLISTED,
    "null",
    "",
    "file://",
    "https://app.example.com.evil.example",
    "https://evil.example/https://app.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://[::1",
    f"{LISTED}, {UNLISTED}",
]


@pytest.mark.parametrize("content_type", SIMPLE_TYPES)
async def test_form_request_of_another_site_is_rejected(mallory: Client, content_type: str) -> None:
    """Browsers send these types without a preflight. Rejected by the origin or, without one, by the type."""
    for origin, status, code in (({"origin": UNLISTED}, 403, "FORBIDDEN"), ({}, 415, "UNSUPPORTED_MEDIA_TYPE")):
        headers = {"content-type": content_type, **origin}
        answer = await mallory.http.post("/graphql", content=QUERY, headers=headers)
        assert (answer.status_code, codes(answer.json())) == (status, [code])


@pytest.mark.parametrize("content_type", SIMPLE_TYPES)
async def test_rest_request_must_be_json_of_an_allowed_origin(
    target: Target, mallory: Client, content_type: str
) -> None:
    """From another site even a call without a body is rejected."""
    job = await target.a_job()
    path = f"/api/v3/jobs/{job.id}/scenes/{job.scenes[0]}"
    body = b'{"title": "Stolen"}'
    answer = await mallory.http.put(path, content=body, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_FAILED")
    for method, address in (("PUT", path), ("POST", f"{path}/regenerate"), ("DELETE", path)):
        foreign = await mallory.http.request(method, address, content=body, headers={"origin": UNLISTED})
        assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert (await mallory.http.get(path)).json()["data"]["title"] is None


@pytest.mark.parametrize("origin", BAD_ORIGINS)
async def test_websocket_of_another_site_is_rejected(target: Target, origin: str) -> None:
    """Browsers let every page open one, with the user's cookies."""
    with pytest.raises(InvalidStatus) as refused:
        async with target.socket(additional_headers={"origin": origin}):
            pass
    assert refused.value.response.status_code == 403


async def test_websocket_of_an_allowed_origin_is_accepted(target: Target) -> None:
    """From the server's own page, from a listed site, or from a client that is no browser."""
    for headers in ({}, {"origin": target.url}, {"origin": LISTED}):
        async with target.socket(additional_headers=headers) as socket:
            await send(socket, "connection_init")
            await receive(socket, "connection_ack")


@pytest.mark.parametrize("origin", BAD_ORIGINS)
async def test_cors_headers_are_absent_for_other_origins(mallory: Client, origin: str) -> None:
    """In the preflight response and in the response; the listed origins are compared exactly."""
    preflight = {"origin": origin, "access-control-request-method": "POST"}
    for answer in (
        await mallory.http.options("/graphql", headers=preflight),
        await mallory.http.post("/graphql", content=QUERY, headers={"origin": origin}),
        await mallory.http.get("/healthz", headers={"origin": origin}),
    ):
        assert "access-control-allow-origin" not in answer.headers


async def test_cors_headers_allow_a_listed_origin(mallory: Client) -> None:
    """Without credentials, which the API does not use."""
    headers = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    preflight = await mallory.http.options("/graphql", headers={"origin": LISTED, **headers})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, LISTED)
    assert "access-control-allow-credentials" not in preflight.headers
    response = await mallory.http.post(
        "/graphql", content=QUERY, headers={"origin": LISTED, "content-type": "application/json"}
    )
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, LISTED)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/graphql"),
        ("POST", "/graphql"),
        ("PATCH", "/graphql"),
        ("GET", "/api/v3/jobs/1/scenes"),
        ("GET", "/api/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/media/../../etc/passwd"),
        ("GET", "/explorer/assets/nothing.js"),
        ("GET", "/healthz"),
        ("GET", "/"),
        ("GET", "/nowhere"),
    ],
)
async def test_security_headers_are_on_every_response(mallory: Client, method: str, path: str) -> None:
    """Whatever the status; none names the server software."""
    answer = await mallory.http.request(method, path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert not {"server", "x-powered-by"} & set(answer.headers)


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    """30 MB, compressed."""
    bomb = json.dumps({"query": "{ viewer { id } }" + " " * 30_000_000}).encode()
    once = gzip.compress(bomb)
    return {"gzip": once, "deflate": zlib.compress(bomb), "gzip, gzip": gzip.compress(once), "br": b"\x1b\0", "": once}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, gzip", "br", ""])
async def test_compressed_request_body_is_rejected(
    target: Target, mallory: Client, bombs: dict[str, bytes], encoding: str
) -> None:
    """Before decompression, by GraphQL and by REST."""
    body = bombs[encoding]
    headers = {"content-type": "application/json", **({"content-encoding": encoding} if encoding else {})}
    answer = await mallory.http.post("/graphql", content=body, headers=headers)
    assert answer.status_code in (400, 415)
    rest = await mallory.http.put("/api/v3/jobs/1/scenes/1", content=body, headers=headers)
    assert rest.status_code == 422
    async with target.socket(compression="deflate") as socket:
        assert socket.response is not None
        assert "sec-websocket-extensions" not in socket.response.headers


async def test_request_over_the_size_limit_is_rejected(mallory: Client, target: Target) -> None:
    """10 MB as a document, as a variable, over REST; 300 KB as a websocket message."""
    large = "x" * 10_000_000
    bodies: list[Any] = [{"query": large}, {"query": "{ viewer { id } }", "variables": {"a": large}}]
    for body in bodies:
        answer = await mallory.http.post("/graphql", json=body)
        assert (answer.status_code, codes(answer.json())) == (413, ["PAYLOAD_TOO_LARGE"])
    assert (await mallory.http.put("/api/v3/jobs/1/scenes/1", json={"title": large})).status_code == 413
    async with target.socket() as socket:
        await send(socket, "connection_init", payload={"a": large[:300_000]})
        await socket.wait_closed()
        assert socket.close_code == 1009


async def test_forwarded_address_header_of_an_untrusted_peer_is_ignored(target: Target) -> None:
    """Else each failed attempt would count for another address."""
    async with httpx.AsyncClient(base_url=target.url, headers=bearer("guess")) as http:
        forwarded = [{"x-forwarded-for": f"10.0.0.{n}"} for n in range(35)]
        body = {"query": "{ viewer { id } }"}
        statuses = {(await http.post("/graphql", json=body, headers=each)).status_code for each in forwarded}
    assert statuses == {401, 429}
