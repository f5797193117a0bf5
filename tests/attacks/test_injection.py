"""Injection: input with a meaning for databases, shells, ffmpeg, file systems, logs or browsers."""

import json
from typing import Any

import pytest

from tests.support.attack_target import BOB, Target, codes, post, receive, send
from tests.support.client import Client
from tests.support.jobs import scene

pytestmark = pytest.mark.both_databases

CREATE = """mutation($input: CreateJobInput!) {
  createJob(input: $input) { job { id title scenes { nodes { prompt metadata } } } errors { code path } }
}"""
UPDATE = "mutation($input: UpdateSceneInput!) { updateScene(input: $input) { scene { title } errors { code path } } }"
MAKE_TOKEN = "mutation { createToken(input: {grants: [EDIT]}) { secret errors { code } } }"

MEANINGFUL = {
    "sql": "'; DROP TABLE job; --",
    "sql in a pattern": "%' OR '1'='1' ESCAPE '\\",
    "sql of Postgres": "$1::text || pg_sleep(10)::text",
    "shell": "$(touch /tmp/pwned); `id` | cat && curl http://127.0.0.1/ > /dev/null",
    "option": "--help -version -filter_complex",
    "ffmpeg": "drawtext=text='x':textfile=/etc/passwd,movie=/etc/passwd[in]; concat:/etc/passwd",
    "format": "%s%n%x {0.__class__} {prompt} ${jndi:ldap://127.0.0.1/a}",
    "path": "../../../../etc/passwd",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "log": "2026-01-01 00:00:00,000 ERROR forged \\r\\n",
    "unicode": "\u05d0\u0628 \U0001f3ac e\u0301 \u200d",
}
UNPRINTABLE = {
    "NUL": "a\0b",
    "escape": "a\x1b[2Jb",
    "delete": "a\x7fb",
    "right-to-left override": "a\u202eb",
    "embedding": "a\u202ab",
}
MULTILINE = {"line feed": "a\nb", "carriage return": "a\rb", "isolate": "a\u2066b"}


@pytest.mark.parametrize("text", MEANINGFUL.values(), ids=MEANINGFUL)
async def test_text_of_a_job_is_stored_unchanged(mallory: Client, text: str) -> None:
    """It is returned as sent, found by a search for it, and never interpreted."""
    fields = {"title": text, "metadata": {text: text}, "scenes": [{"prompt": text, "metadata": {"note": text}}]}
    made = (await post(mallory, CREATE, input=fields)).json()["data"]["createJob"]
    assert made["errors"] == []
    assert made["job"]["title"] == text
    assert made["job"]["scenes"]["nodes"] == [{"prompt": text, "metadata": {"note": text}}]
    search = "query($t: String!) { jobs(filter: {search: $t}) { nodes { id title } } }"
    found = (await post(mallory, search, t=text)).json()["data"]["jobs"]["nodes"]
    assert {"id": made["job"]["id"], "title": text} in found
    assert {each["title"] for each in found} == {text}


@pytest.mark.parametrize(
    "text", (MEANINGFUL | UNPRINTABLE | MULTILINE).values(), ids=MEANINGFUL | UNPRINTABLE | MULTILINE
)
async def test_malformed_job_or_scene_id_is_not_found(mallory: Client, text: str) -> None:
    """On every way to an object, with a typed error."""
    read = "query($id: ID!) { job(id: $id) { id } scene(id: $id) { id } node(id: $id) { id } }"
    assert (await post(mallory, read, id=text)).json()["data"] == {"job": None, "scene": None, "node": None}
    answer = (await post(mallory, UPDATE, input={"sceneId": text, "title": "x"})).json()
    assert [error["code"] for error in answer["data"]["updateScene"]["errors"]] == ["NOT_FOUND"]
    cursor = (await post(mallory, "query($c: String) { jobs(after: $c) { totalCount } }", c=text)).json()
    assert codes(cursor) == ["VALIDATION_FAILED"]


@pytest.mark.sqlite_alone
@pytest.mark.parametrize("text", UNPRINTABLE.values(), ids=UNPRINTABLE)
async def test_unprintable_text_of_a_job_is_rejected(target: Target, mallory: Client, text: str) -> None:
    """In every text field, with its path; nothing is written."""
    job = await target.a_job()
    for fields, path in (
        ({"title": text}, ["input", "title"]),
        ({"title": "x", "scenes": [{"prompt": text}]}, ["input", "scenes", "0", "prompt"]),
        ({"title": "x", "idempotencyKey": text}, ["input", "idempotencyKey"]),
    ):
        made = (await post(mallory, CREATE, input=fields)).json()["data"]["createJob"]
        assert made == {"job": None, "errors": [{"code": "VALIDATION_FAILED", "path": path}]}
    for name in ("title", "prompt", "providerId", "outputUrl"):
        answer = (await post(mallory, UPDATE, input={"sceneId": job.scenes[0], name: text})).json()
        errors = answer["data"]["updateScene"]["errors"]
        assert errors[0] == {"code": "VALIDATION_FAILED", "path": ["input", name]}
    rest = await mallory.http.put(f"/api/v3/jobs/{job.id}/scenes/{job.scenes[0]}", json={"title": text})
    assert (rest.status_code, rest.json()["error"]["details"][0]["path"]) == (422, ["title"])


@pytest.mark.sqlite_alone
@pytest.mark.parametrize("text", MULTILINE.values(), ids=MULTILINE)
async def test_job_title_has_a_single_line(mallory: Client, text: str) -> None:
    """A prompt may have several."""
    rejected = (await post(mallory, CREATE, input={"title": text})).json()["data"]["createJob"]
    assert rejected["errors"] == [{"code": "VALIDATION_FAILED", "path": ["input", "title"]}]
    made = (await post(mallory, CREATE, input={"title": "x", "scenes": [{"prompt": text}]})).json()
    assert made["data"]["createJob"]["errors"] == []


@pytest.mark.sqlite_alone
@pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "a\\ud800b", "\\udc00\\ud800"])
async def test_unpaired_surrogate_in_a_request_is_rejected(target: Target, mallory: Client, half: str) -> None:
    """In a variable, in metadata, in a document, over REST: it cannot be stored."""
    job = await target.a_job()
    headers = {"content-type": "application/json"}
    for variables in (
        f'{{"input": {{"title": "{half}"}}}}',
        f'{{"input": {{"title": "x", "metadata": {{"{half}": 1}}}}}}',
    ):
        body = f'{{"query": {json.dumps(CREATE)}, "variables": {variables}}}'.encode()
        answer = await mallory.http.post("/graphql", content=body, headers=headers)
        assert (answer.status_code, codes(answer.json())) == (400, ["BAD_REQUEST"])
    literal = (await post(mallory, f'{{ job(id: "{half}") {{ id }} }}')).json()
    assert codes(literal) == ["GRAPHQL_PARSE_FAILED"]
    path = f"/api/v3/jobs/{job.id}/scenes/{job.scenes[0]}"
    rest = await mallory.http.put(path, content=f'{{"title": "{half}"}}'.encode(), headers=headers)
    assert (rest.status_code, rest.json()["error"]["code"]) == (422, "VALIDATION_FAILED")


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", 1),
        ("title", {"a": 1}),
        ("metadata", [1]),
        ("metadata", "text"),
        ("durationSeconds", "5"),
        ("durationSeconds", True),
        ("expectedVersion", 2**31),
        ("expectedVersion", -(2**31) - 1),
        ("expectedVersion", 1.5),
        ("status", "SHINY"),
        ("status", 1),
        ("sceneId", None),
        ("sceneId", ["a"]),
        ("failure", {"code": 1}),
        ("nothing", 1),
    ],
)
async def test_scene_input_of_another_type_is_a_request_error(
    target: Target, mallory: Client, name: str, value: Any
) -> None:
    """With a code, never an internal error."""
    job = await target.a_job()
    answer = (await post(mallory, UPDATE, input={"sceneId": job.scenes[0], name: value})).json()
    assert set(codes(answer)) == {"BAD_USER_INPUT"}
    assert "data" not in answer


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("durationSeconds", 1e308),
        ("durationSeconds", -1),
        ("percentage", 100.001),
        ("expectedVersion", -1),
        ("title", "x" * 201),
        ("prompt", "x" * 4_001),
        ("metadata", {"a": "x" * 17_000}),
        ("metadata", {"a": "\0"}),
        ("outputUrl", "file:///etc/passwd"),
        ("outputUrl", "javascript:alert(1)"),
        ("outputUrl", "concat:http://127.0.0.1/|/etc/passwd"),
        ("outputUrl", "http://127.0.0.1/\r\nset-cookie: a=b"),
    ],
)
async def test_scene_input_out_of_range_is_rejected(target: Target, mallory: Client, name: str, value: Any) -> None:
    """As data, with the path of the field."""
    job = await target.a_job()
    answer = (await post(mallory, UPDATE, input={"sceneId": job.scenes[0], name: value})).json()
    (error,) = answer["data"]["updateScene"]["errors"]
    assert error["code"] in ("VALIDATION_FAILED", "STALE_VERSION")
    assert error["path"] == ["input", name]


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "....//....//etc/passwd",
        "live/../../secret.key",
        "job_1%00.mp4",
        "%5c..%5c..%5cwindows",
        "file:///etc/passwd",
        "live/take_" + "a" * 26 + ".mp4/../../../secret.key",
    ],
)
async def test_path_traversal_in_a_media_url_is_a_404(mallory: Client, path: str) -> None:
    """Only names that the server made are looked up."""
    for prefix in ("/media/", "/explorer/assets/"):
        answer = await mallory.http.get(f"{prefix}{path}")
        assert answer.status_code == 404
        assert "root:" not in answer.text


async def test_log_holds_no_input_of_a_request(target: Target, mallory: Client) -> None:
    """No prompt, token or query string, and no forged line."""
    secret = "a-secret-prompt"
    await post(mallory, CREATE, input={"title": secret, "scenes": [scene(secret)]})
    await mallory.http.get("/healthz", params={"token": secret})
    await mallory.http.get("/nowhere%0a2026-01-01%20ERROR%20forged%1b[2J")
    await mallory.http.post("/graphql", json={"query": "{ x }"}, headers={"user-agent": secret, "x-forged": secret})
    await mallory.http.put(
        f"/api/v3/jobs/1/scenes/1?{secret}", content=b"{", headers={"content-type": "application/json"}
    )
    async with target.socket() as socket:
        await send(socket, "connection_init", payload={"authorization": f"Bearer {BOB}", "x-forged": secret})
        await receive(socket, "connection_ack")
        await send(socket, "ping", payload={"a": secret})
        await receive(socket, "pong")
    made = (await post(mallory, MAKE_TOKEN)).json()["data"]["createToken"]
    holder = target.client(made["secret"])
    for document in ("{ viewer { grants } }", "{ wrong }", MAKE_TOKEN):
        await post(holder, document)
    await holder.close()
    log = target.log
    assert secret not in log
    assert made["secret"] not in log
    assert BOB not in log
    assert "\x1b" not in log
    assert not [line for line in log.splitlines() if line.startswith("2026-01-01")]
