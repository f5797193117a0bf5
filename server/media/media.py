"""Media over HTTP: byte ranges, entity tags and caching, by RFC 9110 sections 13 and 14; redirects to a bucket."""

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from coordinator.storage.content_types import UNKNOWN, type_of
from coordinator.storage.keys import is_key, is_live_frame
from coordinator.storage.media import MediaStore, Stored
from coordinator.storage.media_errors import reason_of
from models.domain.errors import Unavailable
from server.media.signed_urls import SignedUrls

log = logging.getLogger(__name__)

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)
_A_YEAR_SECONDS = 31_536_000
# The longest lifetime of a bucket's address.
_REDIRECT_SECONDS = 3_600
_RETRY_SECONDS = 5
# Any page may embed the file: access depends on the URL alone, not on cookies or headers.
_EMBEDDABLE = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}

# Yields the bytes of a file from the first number to the second, which is excluded.
_Read = Callable[[int, int], AsyncIterator[bytes]]


def media_route(store: MediaStore, signed_urls: SignedUrls, redirect_seconds: int) -> Route:
    """Return the route GET and HEAD /media/{key}. A file is found only with a valid signed URL; otherwise 404.

    A file in a bucket is answered with a redirect to an address of the bucket that is valid for `redirect_seconds`,
    but not longer than the URL; with 0, or when the bucket cannot sign, its bytes pass through the server.
    """

    async def serve(request: Request) -> Response:
        key = request.path_params["key"]
        seconds_left = signed_urls.seconds_left(key, request.query_params) if is_key(key) else 0
        try:
            stored = await store.head(key) if seconds_left else None
        except Unavailable as error:
            return _unavailable(key, error)
        if stored is None:
            return _not_found()
        valid = min(seconds_left, redirect_seconds, _REDIRECT_SECONDS)
        method = "HEAD" if request.method == "HEAD" else "GET"
        address = await store.address(key, method, timedelta(seconds=max(1, int(valid)))) if valid else None
        if address is not None:
            # The address expires soon, so the redirect must not be remembered.
            return RedirectResponse(address, 307, {"cache-control": "no-store", **_EMBEDDABLE})
        if is_live_frame(key):
            return await _live_frame(request, store, key)
        return _response(request, key, stored, partial(store.read, key), int(min(seconds_left, _A_YEAR_SECONDS)))

    endpoint: Callable[[Request], Awaitable[Response]] = serve
    return Route("/media/{key:path}", endpoint, methods=["GET"])


class _File(StreamingResponse):
    """The bytes of a file. When the store stops answering, or the file is deleted, the response ends early and uvicorn
    closes the connection, so that the client notices that bytes are missing."""

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        except (Unavailable, FileNotFoundError) as error:
            _log_unavailable("a file that is being sent", error)


async def _live_frame(request: Request, store: MediaStore, key: str) -> Response:
    """Answer with one live frame: renders overwrite them, so the size and the bytes are read at one moment."""
    try:
        frame = await store.whole(key)
    except Unavailable as error:
        return _unavailable(key, error)
    return _not_found() if frame is None else _response(request, key, frame.stored, frame.read)


def _not_found() -> Response:
    return Response("Not found", 404, media_type="text/plain")


def _unavailable(key: str, error: Unavailable) -> Response:
    _log_unavailable(key, error)
    headers = {"retry-after": str(_RETRY_SECONDS), "cache-control": "no-store"}
    return Response(error.message, 503, headers, media_type="text/plain")


def _log_unavailable(what: str, error: Exception) -> None:
    reason = reason_of(error.__cause__ or error)
    log.warning("Not readable: %s: %s", what, reason, extra={"action": "media.unavailable"})


def _response(request: Request, key: str, stored: Stored, read: _Read, max_age: int = 0) -> Response:
    etag = f'"{stored.etag}"'
    headers = {
        "accept-ranges": "bytes",
        "etag": etag,
        # The files of a take and of an assembled video never change; the live frame of a render is overwritten.
        "cache-control": "no-store" if is_live_frame(key) else f"private, max-age={max_age}, immutable",
        "content-type": type_of(key),
        "x-content-type-options": "nosniff",
        **_EMBEDDABLE,
    }
    if headers["content-type"] == UNKNOWN:
        headers["content-disposition"] = "attachment"
    known = request.headers.get("if-none-match", "")
    if etag in known or known.strip() == "*":
        return Response(status_code=304, headers=headers)
    requested = _range(request, etag)
    span = (0, stored.size) if requested is None else _span(*requested, stored.size)
    if span is None:
        return Response(status_code=416, headers=headers | {"content-range": f"bytes */{stored.size}"})
    start, end = span
    headers["content-length"] = str(end - start)
    if requested is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{stored.size}"
    status = 200 if requested is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return _File(read(start, end), status, headers)


def _range(request: Request, etag: str) -> tuple[str, str] | None:
    """Return the first and last byte of the Range header, of which one may be empty.

    None when the whole file is to be sent: without the header, for methods other than GET, for another version of the
    file (If-Range), and for ranges that a server may ignore: several ranges, units other than bytes, a last byte before
    the first (RFC 9110, section 14.2).
    """
    match = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if match is None or request.method != "GET" or request.headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
    invalid = (first and last and int(last) < int(first)) or not (first or last)
    return None if invalid else (first, last)


def _span(first: str, last: str, size: int) -> tuple[int, int] | None:
    """Return the range as start and end, end excluded; None when the file has none of these bytes."""
    if not first:
        length = min(int(last), size)
        return (size - length, size) if length else None
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    return (start, end) if start < size else None
