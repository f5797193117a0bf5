"""Pages of other sites, which a victim's browser shows, and bodies that are not what they say."""

import gzip
import json
import zlib
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.support.attack_target import Target, bearer, codes, receive, send
from tests.support.client import Client

ELSEWHERE = "https://evil.example"
FRIEND = "https://app.example.com"
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
    ELSEWHERE,
    "null",
    "",
    "file://",
    "https://app.example.com.evil.example",
    "https://evil.example/https://app.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://[::1",
    f"{FRIEND}, {ELSEWHERE}",
]


@pytest.mark.parametrize("content_type", SIMPLE_TYPES)
async def test_a_form_of_another_site_is_no_request(mallory: Client, content_type: str) -> None:
    """A browser sends these without asking first. They are refused by their origin and, without one, by their type."""
    for origin, status, code in (({"origin": ELSEWHERE}, 403, "FORBIDDEN"), ({}, 415, "UNSUPPORTED_MEDIA_TYPE")):
        headers = {"content-type": content_type, **origin}
        answer = await mallory.http.post("/graphql", content=QUERY, headers=headers)
        assert (answer.status_code, codes(answer.json())) == (status, [code])


@pytest.mark.parametrize("content_type", SIMPLE_TYPES)
async def test_rest_takes_bodies_of_json_alone(target: Target, mallory: Client, content_type: str) -> None:
    """And nothing at all from another site, not even a call without a body."""
    job = await target.a_job()
    path = f"/api/v3/jobs/{job.id}/scenes/{job.scenes[0]}"
    body = b'{"title": "Stolen"}'
    answer = await mallory.http.put(path, content=body, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_FAILED")
    for method, address in (("PUT", path), ("POST", f"{path}/regenerate"), ("DELETE", path)):
        foreign = await mallory.http.request(method, address, content=body, headers={"origin": ELSEWHERE})
        assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert (await mallory.http.get(path)).json()["data"]["title"] is None


@pytest.mark.parametrize("origin", BAD_ORIGINS)
async def test_a_websocket_of_another_site_is_not_opened(target: Target, origin: str) -> None:
    """Browsers let every page open one, with the victim's cookies if there were any."""
    with pytest.raises(InvalidStatus) as refused:
        async with target.socket(additional_headers={"origin": origin}):
            pass
    assert refused.value.response.status_code == 403


async def test_a_websocket_of_ours_is(target: Target) -> None:
    """From the server's own page, from a site on the list, or from no browser at all."""
    for headers in ({}, {"origin": target.url}, {"origin": FRIEND}):
        async with target.socket(additional_headers=headers) as socket:
            await send(socket, "connection_init")
            await receive(socket, "connection_ack")


@pytest.mark.parametrize("origin", BAD_ORIGINS)
async def test_no_other_site_may_read(mallory: Client, origin: str) -> None:
    """Neither asked first nor afterwards; and the list is compared exactly."""
    asked = {"origin": origin, "access-control-request-method": "POST"}
    for answer in (
        await mallory.http.options("/graphql", headers=asked),
        await mallory.http.post("/graphql", content=QUERY, headers={"origin": origin}),
        await mallory.http.get("/healthz", headers={"origin": origin}),
    ):
        assert "access-control-allow-origin" not in answer.headers


async def test_a_site_on_the_list_may_read(mallory: Client) -> None:
    """After asking first; without the browser's own credentials, for nobody needs them."""
    headers = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    asked = await mallory.http.options("/graphql", headers={"origin": FRIEND, **headers})
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, FRIEND)
    assert "access-control-allow-credentials" not in asked.headers
    said = await mallory.http.post(
        "/graphql", content=QUERY, headers={"origin": FRIEND, "content-type": "application/json"}
    )
    assert (said.status_code, said.headers["access-control-allow-origin"]) == (200, FRIEND)


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
async def test_every_answer_has_the_headers(mallory: Client, method: str, path: str) -> None:
    """Whatever its status; and none says what answers."""
    answer = await mallory.http.request(method, path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert not {"server", "x-powered-by"} & set(answer.headers)


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    """Thirty megabytes, packed."""
    bomb = json.dumps({"query": "{ viewer { id } }" + " " * 30_000_000}).encode()
    once = gzip.compress(bomb)
    return {"gzip": once, "deflate": zlib.compress(bomb), "gzip, gzip": gzip.compress(once), "br": b"\x1b\0", "": once}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, gzip", "br", ""])
async def test_nothing_is_unpacked(target: Target, mallory: Client, bombs: dict[str, bytes], encoding: str) -> None:
    """A packed body is refused as it is, by GraphQL and by REST."""
    body = bombs[encoding]
    headers = {"content-type": "application/json", **({"content-encoding": encoding} if encoding else {})}
    answer = await mallory.http.post("/graphql", content=body, headers=headers)
    assert answer.status_code in (400, 415)
    rest = await mallory.http.put("/api/v3/jobs/1/scenes/1", content=body, headers=headers)
    assert rest.status_code == 422
    async with target.socket(compression="deflate") as socket:
        assert socket.response is not None
        assert "sec-websocket-extensions" not in socket.response.headers


async def test_what_is_too_large_is_not_read(mallory: Client, target: Target) -> None:
    """Ten megabytes as a body, as a variable, as an argument, as a message, as a header."""
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


async def test_a_forwarded_address_is_believed_of_no_stranger(target: Target) -> None:
    """Or every failed attempt would come from an address of its own."""
    async with httpx.AsyncClient(base_url=target.url, headers=bearer("guess")) as http:
        places = [{"x-forwarded-for": f"10.0.0.{n}"} for n in range(35)]
        body = {"query": "{ viewer { id } }"}
        statuses = {(await http.post("/graphql", json=body, headers=place)).status_code for place in places}
    assert statuses == {401, 429}
