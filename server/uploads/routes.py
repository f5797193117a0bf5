"""The route of uploads: PUT of a whole file, and the tus protocol 1.0 for one that goes on after a cut.

That is HEAD, PATCH, OPTIONS and DELETE (https://tus.io/protocols/resumable-upload), with the extensions checksum,
expiration and termination.
"""

import base64
import binascii
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from email.utils import format_datetime

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from coordinator.assets import receiving
from coordinator.assets.receiving import ALGORITHMS, Checksum, ChecksumMismatch, Receiver, TooManyBytes
from coordinator.assets.uploads import NoUpload, OffsetMismatch, Uploads
from models.db.asset_rows import UploadRow
from models.db.cancellation import raise_if_cancelled
from models.domain.errors import Unavailable
from server.transports.connections.stream_control import stream_control
from server.uploads.active import ActiveUploads, Busy
from server.uploads.addresses import UPLOADS_PATH, UploadAddresses

log = logging.getLogger(__name__)

VERSION = "1.0.0"
PATCH_TYPE = "application/offset+octet-stream"
# A status of the tus protocol.
CHECKSUM_MISMATCH = 460
RETRY_SECONDS = 5
# Each part is listed in the row of its upload. A client may go on after so many cuts, beside those of full parts.
MOST_CUTS = 1000
METHODS = ("PUT", "HEAD", "PATCH", "DELETE", "OPTIONS", "POST")

_ALWAYS = {"tus-resumable": VERSION, "cache-control": "no-store"}


class Refused(Exception):
    """The request is answered with a status and one sentence."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def upload_routes(uploads: Uploads, addresses: UploadAddresses, most_bytes: int) -> list[Route]:
    """Return the route of uploads, which is reached with a signed address only."""
    endpoint: Callable[[Request], Awaitable[Response]] = _Endpoint(uploads, addresses, most_bytes).answer
    return [Route(UPLOADS_PATH + "{upload_id}", endpoint, methods=METHODS)]


class _Endpoint:
    def __init__(self, uploads: Uploads, addresses: UploadAddresses, most_bytes: int) -> None:
        self._uploads = uploads
        self._addresses = addresses
        self._most_bytes = most_bytes
        self._active = ActiveUploads()

    async def answer(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except Refused as refused:
            return _text(refused.status, refused.message, refused.headers)
        except OffsetMismatch as error:
            return _text(409, "The upload has another number of bytes.", {"upload-offset": str(error.received)})
        except NoUpload:
            return _text(410, "The upload is over.")
        except TooManyBytes:
            return _text(413, "These are more bytes than were announced.")
        except ChecksumMismatch:
            return _text(CHECKSUM_MISMATCH, "The bytes do not have this checksum.")
        except Busy:
            return _text(423, "The upload is being written; try again.", {"retry-after": str(RETRY_SECONDS)})
        except Unavailable as error:
            raise_if_cancelled(error)
            log.warning("An upload waits: %s", error, extra={"action": "upload.unavailable"})
            return _text(503, error.message, {"retry-after": str(RETRY_SECONDS)})
        except ClientDisconnect:
            log.info("An upload was cut off", extra={"action": "upload.cut"})
            return _text(400, "The body was cut off.")

    async def _answer(self, request: Request) -> Response:
        method = _method(request)
        if method == "OPTIONS":
            return self._options()
        if request.headers.get("tus-resumable", VERSION) != VERSION:
            raise Refused(412, "The version of the tus protocol must be 1.0.0.", {"tus-version": VERSION})
        upload_id: str = request.path_params["upload_id"]
        if not self._addresses.allows(upload_id, request.query_params):
            raise Refused(404, "Not found")
        if method in ("HEAD", "DELETE"):
            await self._active.end_earlier(upload_id)
            return await (self._head(upload_id) if method == "HEAD" else self._delete(upload_id))
        if method not in ("PUT", "PATCH"):
            raise Refused(405, "The method must be PUT, PATCH, HEAD, DELETE or OPTIONS.", {"allow": ", ".join(METHODS)})
        async with self._active.request(upload_id, _end_of(request)):
            upload = await self._upload(upload_id)
            receiver = await (self._whole(request, upload) if method == "PUT" else self._rest(request, upload))
            async with aclosing(_body(request)) as body:
                received = await receiver.receive(body)
        return Response(status_code=204, headers=_state(upload, received))

    async def _whole(self, request: Request, upload: UploadRow) -> Receiver:
        """Begin again: PUT replaces what has arrived."""
        length = _length(request)
        if length is not None and length > upload.room:
            raise TooManyBytes
        if length is not None and upload.size_bytes is not None and length < upload.size_bytes:
            raise Refused(400, f"The body has {length} bytes; {upload.size_bytes} were announced.")
        await self._uploads.start_again(upload.id)
        return Receiver(self._uploads, upload, 0)

    async def _rest(self, request: Request, upload: UploadRow) -> Receiver:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != PATCH_TYPE:
            raise Refused(415, f"The content type must be {PATCH_TYPE}.")
        offset = request.headers.get("upload-offset", "")
        if not (offset.isdecimal() and offset.isascii() and len(offset) < 20):
            raise Refused(400, "Upload-Offset must be the number of bytes that have arrived.")
        if int(offset) != upload.received:
            raise OffsetMismatch(upload.received)
        length = _length(request)
        if length is not None and upload.received + length > upload.room:
            raise TooManyBytes
        if len(upload.parts) > MOST_CUTS + 2 * upload.room // receiving.PART_BYTES:
            raise Refused(400, "The upload came in too many small parts; send the whole file with PUT.")
        return Receiver(self._uploads, upload, upload.received, _checksum(request))

    async def _head(self, upload_id: str) -> Response:
        upload = await self._upload(upload_id)
        return Response(status_code=200, headers=_state(upload, upload.received))

    async def _delete(self, upload_id: str) -> Response:
        await self._upload(upload_id)
        await self._uploads.end(upload_id)
        return Response(status_code=204, headers=_ALWAYS)

    async def _upload(self, upload_id: str) -> UploadRow:
        upload = await self._uploads.find(upload_id)
        if upload is None:
            raise NoUpload
        return upload

    def _options(self) -> Response:
        offered = {
            "tus-version": VERSION,
            "tus-extension": "checksum,expiration,termination",
            "tus-checksum-algorithm": ",".join(ALGORITHMS),
            "tus-max-size": str(self._most_bytes),
            "allow": ", ".join(METHODS),
        }
        return Response(status_code=204, headers=_ALWAYS | offered)


async def _body(request: Request) -> AsyncGenerator[bytes]:
    async for chunk in request.stream():
        yield chunk


def _method(request: Request) -> str:
    """Return the method, which clients behind old proxies give in a header of POST, as tus demands."""
    override = request.headers.get("x-http-method-override")
    return override.upper() if override is not None and request.method == "POST" else request.method


def _end_of(request: Request) -> Callable[[], None]:
    """Return a function that cuts the connection of a request."""
    control = stream_control(request.scope)
    return control.abort if control is not None else lambda: None


def _length(request: Request) -> int | None:
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 20 else None


def _checksum(request: Request) -> Checksum | None:
    given = request.headers.get("upload-checksum")
    if given is None:
        return None
    algorithm, _, encoded = given.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise Refused(400, f"The algorithm of Upload-Checksum must be one of {', '.join(ALGORITHMS)}.")
    try:
        return Checksum(algorithm, base64.b64decode(encoded, validate=True))
    except (ValueError, binascii.Error) as error:
        raise Refused(400, "Upload-Checksum must be an algorithm and a digest in Base64.") from error


def _state(upload: UploadRow, received: int) -> dict[str, str]:
    size = {"upload-defer-length": "1"} if upload.size_bytes is None else {"upload-length": str(upload.size_bytes)}
    expires = {"upload-expires": format_datetime(upload.expires_at, usegmt=True)}
    return {"upload-offset": str(received), **size, **expires, **_ALWAYS}


def _text(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(message, status, {**_ALWAYS, **(headers or {})}, media_type="text/plain")
