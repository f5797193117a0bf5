"""An S3 service in the event loop of the test, which verifies signatures, for one bucket in memory."""

import hashlib
import hmac
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape, unescape

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.support.uvicorn_server import serve

KEY_ID, SECRET, REGION, BUCKET = "AKIDTEST", "a secret of the bucket", "eu-test-1", "clips"
_HEADER, _QUERY = "authorization", "X-Amz-Signature"


@dataclass
class Stored:
    """An object with its headers."""

    content: bytes
    headers: dict[str, str]


@dataclass
class Bucket:
    """The service. `available` is False during an outage; `requests` records the method and path of each request."""

    objects: dict[str, Stored] = field(default_factory=dict[str, Stored])
    available: bool = True
    requests: list[str] = field(default_factory=list[str])
    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as S3 does, for path-style addresses."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        self.requests.append(f"{request.method} {request.url.path}")
        await (await self._answer(request))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if not self.available:
            return _error(503, "SlowDown")
        body = await request.body()
        if (refusal := _refusal(request)) is not None:
            return _error(403, refusal)
        bucket, _, key = unquote(request.scope["raw_path"].decode()).removeprefix("/").partition("/")
        if bucket != BUCKET:
            return _error(404, "NoSuchBucket")
        if not key and request.method == "POST" and "delete" in request.query_params:
            return self._delete(body.decode())
        return self._of_bucket(request) if not key else self._of_object(request, key, body)

    def _of_bucket(self, request: Request) -> Response:
        prefix = request.query_params.get("prefix", "")
        listed = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(each.content)}</Size><ETag>{_etag(each)}</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key, each in self.objects.items()
            if key.startswith(prefix)
        )
        result = f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>"
        return Response(result, media_type="application/xml")

    def _delete(self, wanted: str) -> Response:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""
        keys = [unescape(key) for key in re.findall(r"<Key>(.*?)</Key>", wanted)]
        for key in keys:
            self.objects.pop(key, None)
        deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        return Response(f"<DeleteResult>{deleted}</DeleteResult>", media_type="application/xml")

    def _of_object(self, request: Request, key: str, body: bytes) -> Response:
        if request.method == "PUT":
            kept = ("content-type", "cache-control", "content-disposition")
            headers = {name: request.headers[name] for name in kept if name in request.headers}
            self.objects[key] = Stored(body, headers)
            return Response(headers={"etag": _etag(self.objects[key])})
        if request.method == "DELETE":
            self.objects.pop(key, None)
            return Response(status_code=204)
        stored = self.objects.get(key)
        if stored is None:
            return _error(404, "NoSuchKey")
        start, end = 0, len(stored.content)
        if (requested := request.headers.get("range", "")).startswith("bytes="):
            first, _, last = requested.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1, end) if last else end
        headers = {
            **stored.headers,
            "etag": _etag(stored),
            "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT",
            "content-length": str(end - start),
            "content-range": f"bytes {start}-{end - 1}/{len(stored.content)}",
        }
        content = b"" if request.method == "HEAD" else stored.content[start:end]
        return Response(content, 206 if requested else 200, headers)


@asynccontextmanager
async def s3(monkeypatch: pytest.MonkeyPatch, secret: str = SECRET) -> AsyncGenerator[Bucket]:
    """Run the service, and put its address and credentials into the environment."""
    bucket = Bucket()
    async with serve(bucket) as served:
        bucket.url = served.origin
        environment = {
            "AWS_ENDPOINT": served.origin,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield bucket


def _etag(stored: Stored) -> str:
    return f'"{hashlib.md5(stored.content, usedforsecurity=False).hexdigest()}"'


def _error(status: int, code: str) -> Response:
    return Response(f"<Error><Code>{code}</Code></Error>", status, media_type="application/xml")


def _refusal(request: Request) -> str | None:
    """Verify the signature, in the query or in the header; return the code of the error.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
    """
    query = dict(request.query_params)
    if _QUERY in query:
        given = {
            "credential": query["X-Amz-Credential"],
            "headers": query["X-Amz-SignedHeaders"],
            "signature": query.pop(_QUERY),
        }
        at, payload = query["X-Amz-Date"], "UNSIGNED-PAYLOAD"
        if _time(at) + timedelta(seconds=int(query["X-Amz-Expires"])) < datetime.now(UTC):
            return "AccessDenied"
    elif request.headers.get(_HEADER, "").startswith("AWS4-HMAC-SHA256 "):
        parts = dict(part.strip().split("=", 1) for part in request.headers[_HEADER].partition(" ")[2].split(","))
        given = {
            "credential": parts["Credential"],
            "headers": parts["SignedHeaders"],
            "signature": parts["Signature"],
        }
        at, payload = request.headers["x-amz-date"], request.headers["x-amz-content-sha256"]
    else:
        return "AccessDenied"
    key_id, *scope = given["credential"].split("/")
    if key_id != KEY_ID:
        return "InvalidAccessKeyId"
    names = given["headers"].split(";")
    canonical = "\n".join(
        [
            request.method,
            request.scope["raw_path"].decode(),
            "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query)),
            *(f"{name}:{request.headers[name].strip()}" for name in names),
            "",
            given["headers"],
            payload,
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", at, "/".join(scope), digest])
    key = f"AWS4{SECRET}".encode()
    for part in (*scope, text):
        signature = hmac.new(key, part.encode(), hashlib.sha256)
        key = signature.digest()
    return None if hmac.compare_digest(key.hex(), given["signature"]) else "SignatureDoesNotMatch"


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
