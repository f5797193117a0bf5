"""Media over HTTP: byte ranges, entity tags and caching, by RFC 9110 sections 13 and 14."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from coordinator.storage.keys import is_key, is_live_frame
from coordinator.storage.media import CONTENT_TYPES, MediaStore, Stored
from server.signed_urls import SignedUrls

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)
_A_YEAR_SECONDS = 31_536_000


def media_route(store: MediaStore, signed_urls: SignedUrls) -> Route:
    """GET and HEAD /media/{key}, for those who have a link; without one there is nothing at any address."""

    async def serve(request: Request) -> Response:
        key = request.path_params["key"]
        lasting = signed_urls.seconds_left(key, request.query_params) if is_key(key) else 0
        stored = await store.head(key) if lasting else None
        if stored is None:
            return Response("Not found", 404, media_type="text/plain")
        return _answer(request, store, key, stored, int(min(lasting, _A_YEAR_SECONDS)))

    endpoint: Callable[[Request], Awaitable[Response]] = serve
    return Route("/media/{key:path}", endpoint, methods=["GET"])


def _answer(request: Request, store: MediaStore, key: str, stored: Stored, lasting: int) -> Response:
    etag = f'"{stored.etag}"'
    headers = {
        "accept-ranges": "bytes",
        "etag": etag,
        # The files of a take and of a cut never change; the newest frame of a running one does all the time.
        "cache-control": "no-store" if is_live_frame(key) else f"private, max-age={lasting}, immutable",
        "content-type": CONTENT_TYPES.get(key.rpartition(".")[2], "application/octet-stream"),
        "x-content-type-options": "nosniff",
        # Whoever knows the address may show the clip, on any page: no cookie and no header opens it.
        "access-control-allow-origin": "*",
        "cross-origin-resource-policy": "cross-origin",
    }
    known = request.headers.get("if-none-match", "")
    if etag in known or known.strip() == "*":
        return Response(status_code=304, headers=headers)
    asked = _range(request, etag)
    span = (0, stored.size) if asked is None else _span(*asked, stored.size)
    if span is None:
        return Response(status_code=416, headers=headers | {"content-range": f"bytes */{stored.size}"})
    start, end = span
    headers["content-length"] = str(end - start)
    if asked is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{stored.size}"
    status = 200 if asked is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    body: AsyncIterator[bytes] = store.read(key, start, end)
    return StreamingResponse(body, status, headers)


def _range(request: Request, etag: str) -> tuple[str, str] | None:
    """First and last byte of the Range header, either may be missing.

    None when the whole is to be sent: without the header, to other methods than GET, for another version of the file,
    and for what may be ignored (several ranges at once, units other than bytes, a last byte before the first; RFC 9110
    section 14.2).
    """
    match = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if match is None or request.method != "GET" or request.headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
    nonsense = (first and last and int(last) < int(first)) or not (first or last)
    return None if nonsense else (first, last)


def _span(first: str, last: str, size: int) -> tuple[int, int] | None:
    """The bytes start..end, end excluded; None when there are no such bytes."""
    if not first:
        length = min(int(last), size)
        return (size - length, size) if length else None
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    return (start, end) if start < size else None
