"""Requests of the API as bytes, in the variety in which clients, proxies and attackers send them."""

import hashlib
import json
from collections.abc import Mapping
from random import Random
from typing import Any

from tests.support.forged_tokens import unsigned
from tests.support.tokens import token

SERVER_INFO = "{ serverInfo { version mode } }"
JOBS = "query Jobs($n: Int) { jobs(first: $n) { totalCount nodes { title status version } } }"
CREATE = (
    "mutation Create($input: CreateJobInput!) { createJob(input: $input) { job { title status } errors { code } } }"
)
NAMED = "query A { __typename } query B { serverInfo { mode } }"
APOLLO = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(SERVER_INFO.encode()).hexdigest()}}

BODIES: tuple[Any, ...] = (
    {"query": SERVER_INFO},
    {"query": SERVER_INFO, "extensions": APOLLO},
    {"extensions": APOLLO},
    {"extensions": {"persistedQuery": {"version": 2}}},
    {"query": "{ __typename }", "operationName": ""},
    {"query": NAMED, "operationName": "B"},
    {"query": NAMED},
    {"query": JOBS, "variables": {"n": 2}},
    {"query": JOBS, "variables": {"n": 1e2}},
    {"query": JOBS, "variables": {"n": 0}},
    {"query": JOBS, "variables": {"n": "two"}},
    {"query": JOBS, "variables": {"n": 2}, "extensions": {"a": [1, {"b": None}]}},
    {"query": JOBS, "variables": [2]},
    {"query": CREATE, "variables": {"input": {"title": "New", "provider": "external", "scenes": [{"prompt": "x"}]}}},
    {"query": CREATE, "variables": {"input": {"title": "", "provider": "external", "scenes": []}}},
    {"query": "{ jobs(first: 100) { nodes { scenes(first: 200) { nodes { takes { nodes { id } } } } } } }"},
    {"query": "{ nothing }"},
    {"query": "{ serverInfo { "},
    {"query": "{ __schema { queryType { name } } }"},
    {"query": '{ job(id: "job_0") { title } }'},
    {"query": "subscription { jobsUpdated { __typename } }"},
    {"query": 7},
    {"documentId": "unknown"},
    [],
    b"{",
    b"",
    b'{"query": "\\ud800"}',
    b"\xff",
)

FIELDS: tuple[Mapping[str, str], ...] = (
    {},
    {"accept": "application/graphql-response+json"},
    {"accept": "text/html, */*;q=0.1"},
    {"accept": "image/png"},
    {"content-type": "text/plain"},
    {"content-type": "application/json; charset=utf-8"},
    {"content-type": "application/json; charset=latin-1"},
    {"content-encoding": "gzip"},
    {"origin": "https://app.test"},
    {"origin": "https://evil.test"},
    {"origin": "null"},
    {"x-request-id": "mine-{n}"},
    {"x-request-id": "one\r\nx-request-id: two"},
    {"x-request-id": "  spaced  "},
    {"content-length": "1"},
    {"X-Request-ID": "{n}", "Baggage": "a=b, c={n}", "traceState": "{n}"},
    {"x-request-id": "a"},
    {"x-request-id": "not accepted: too strange"},
    {"x-forwarded-for": "192.0.2.7, 198.51.100.9"},
    {"x-forwarded-for": "192.0.2.8", "x-forwarded-proto": "https", "x-forwarded-prefix": "/scenes"},
    {"host": "other.test:81"},
    {"host": "in valid"},
    {"expect": "100-continue"},
    {"connection": "close"},
    {"connection": "keep-alive"},
    {"traceparent": "00-4bf92f3577b34da6a3ce92{n}-00f067aa0ba902b7-01"},
    {"upgrade": "h2c", "connection": "upgrade"},
    {"cookie": "a=b", "referer": "https://app.test/x", "user-agent": "tests"},
)
IN_URL = "/graphql?query=%7B__typename%7D"
TARGETS = (*["/graphql"] * 4, "/graphql/", IN_URL, "/nothing", "/healthz")
METHODS = (*["POST"] * 6, "GET", "OPTIONS", "PUT", "DELETE")
OF_BROWSERS: tuple[Mapping[str, str], ...] = (
    {},
    {"origin": "https://app.test", "traceparent": "00-{n}-00f067aa0ba902b7-01"},
    {"x-request-id": "mine-{n}"},
    {"x-request-id": "not accepted {n}"},
)

Head = tuple[str, str, Mapping[str, str], str | None, bool]
"""Method, target, fields, the value of Authorization, and whether the body is sent in chunks."""


class Samples:
    """Random requests from a few heads and bodies, so that each is sent several times."""

    def __init__(self, rng: Random, authorizations: tuple[str | None, ...]) -> None:
        self._rng = rng
        usual = {"host": "scenewire.test", "content-type": "application/json"}
        self._heads: list[Head] = [
            ("POST", "/graphql", {**usual, **fields}, each, False)
            for fields, each in zip(OF_BROWSERS, authorizations, strict=False)
        ]
        self._heads.append(("GET", IN_URL, usual, authorizations[0], False))
        for _ in range(5):
            plain = rng.random() < 0.5
            method, target = ("POST", "/graphql") if plain else (rng.choice(METHODS), rng.choice(TARGETS))
            fields = {**usual, **rng.choice(FIELDS), **(rng.choice(FIELDS) if rng.random() < 0.3 else {})}
            self._heads.append((method, target, fields, rng.choice(authorizations), rng.random() < 0.1))
        self._bodies = [BODIES[0], *rng.sample(BODIES, 5)]
        # Spaces at the end of a body change its length only.
        self._pads = rng.random() < 0.5

    def request(self) -> bytes:
        """Return one of the requests."""
        return self._bytes(self._rng.choice(self._heads), self._rng.choice(self._bodies))

    def usual(self) -> list[bytes]:
        """Return a valid request of each user, always the same ones."""
        return [self._bytes(head, self._bodies[0]) for head in self._heads[: len(OF_BROWSERS)]]

    def _bytes(self, head: Head, body: Any) -> bytes:
        method, target, fields, authorization, is_chunked = head
        padded = self._rng.choice((0, 400)) if self._pads else 0
        content = (body if isinstance(body, bytes) else json.dumps(body).encode()).ljust(padded)
        all_fields = fields if authorization is None else {**fields, "authorization": authorization}
        number = self._rng.randrange(10**8)
        lines = "".join(f"{name}: {value.replace('{n}', f'{number:08}')}\r\n" for name, value in all_fields.items())
        start = f"{method} {target} HTTP/1.1\r\n{lines}".encode("latin-1")
        if is_chunked:
            return start + b"transfer-encoding: chunked\r\n\r\n" + _chunks(content)
        return start + b"content-length: %d\r\n\r\n" % len(content) + content


def _chunks(content: bytes) -> bytes:
    parts = [content[:7], content[7:]]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"


def authorizations(short_seconds: float) -> tuple[str | None, ...]:
    """Return values of the Authorization header: of two users and an admin, one whose token is valid for
    `short_seconds` and one to be revoked (`rita`), then wrong ones and none."""
    return (
        f"Bearer {token('amy')}",
        f"Bearer {token('rita')}",
        f"Bearer {token('bob', lasts=short_seconds)}",
        f"bearer  {token('ann', 'admin')}",
        f"Bearer {token('amy')}x",
        f"Bearer {unsigned({'alg': 'none'}, {'sub': 'amy'})}",
        f"Basic {token('amy')}",
        None,
    )
