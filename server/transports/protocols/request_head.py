"""The rules for the head and the trailers of an HTTP/1 request that its parser does not check: the size, the number of
fields, the protocol version, the Host header and the transfer codings.

The parser, httptools, itself rejects what makes the length of a request ambiguous (RFC 9112, sections 2.2, 5.2, 6.3):
a repeated Content-Length, one beside Transfer-Encoding, folded lines, a bare CR or LF, NUL.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from server.transports.errors import TransportCode, bodies_of_both_apis
from server.transports.limits import TransportLimits
from server.transports.payloads import encode

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values."""

FIELD_OVERHEAD_BYTES: Final = len(": \r\n")
CHUNK_OVERHEAD_BYTES: Final = 16
"""What one chunk may add to its data: its size in hexadecimal digits, two line ends, and a short extension."""

# uri-host [ ":" port ] of RFC 9110, section 7.2; an empty host is left to the application.
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[A-Za-z0-9.:%_~-]+\])(?::[0-9]{0,5})?")


class RejectedRequest(Exception):
    """The request cannot be read any further: it is answered with `status`, and the connection is closed."""

    def __init__(self, status: HTTPStatus, code: TransportCode, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    @classmethod
    def malformed(cls, message: str) -> "RejectedRequest":
        """Return the rejection of a request that is no valid HTTP."""
        return cls(HTTPStatus.BAD_REQUEST, TransportCode.BAD_REQUEST, message)

    def response(self) -> bytes:
        """Return the whole response, with a body in the shapes of GraphQL and of REST."""
        body = encode(bodies_of_both_apis(self.code, self.message))
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n"
            "cache-control: no-store\r\n"
            "x-content-type-options: nosniff\r\n"
            "connection: close\r\n\r\n"
        )
        return head.encode() + body


@dataclass(slots=True)
class RequestSize:
    """Counts one request while it is parsed. Every method but `begin_phase` raises RejectedRequest beyond a limit."""

    limits: TransportLimits
    is_upload: bool = False
    """Whether the body is a file."""
    _bytes: int = 0
    """The size of the head and the trailers, as far as they were parsed."""
    _fields: int = 0
    _chunks: int = 0
    _portions: int = 0
    """Bytes received in the current phase after the portion in which it began."""
    _content: int = 0
    """Bytes of the body, and what its chunks may add to it."""

    def add_target(self, part: bytes) -> None:
        """Count a part of the request target."""
        self._bytes += len(part)
        if self._bytes > self.limits.head_bytes:
            message = f"The address of the request is longer than {self.limits.head_bytes} bytes"
            raise RejectedRequest(HTTPStatus.REQUEST_URI_TOO_LONG, TransportCode.URI_TOO_LONG, message)

    def add_fields(self, fields: Headers) -> None:
        """Count headers or trailers."""
        self._fields += len(fields)
        self._bytes += FIELD_OVERHEAD_BYTES * len(fields) + sum([len(name) + len(value) for name, value in fields])
        if self._fields > self.limits.head_fields:
            raise _headers_too_large(f"more than {self.limits.head_fields} headers")
        if self._bytes > self.limits.head_bytes:
            raise self._too_large()

    def add_chunk(self) -> None:
        """Count a chunk of the body."""
        self._chunks += 1
        self._content += CHUNK_OVERHEAD_BYTES
        most = self.limits.upload_chunks if self.is_upload else self.limits.body_chunks
        if self._chunks > most:
            message = f"The body has more than {most} chunks"
            raise RejectedRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TransportCode.PAYLOAD_TOO_LARGE, message)

    def add_content(self, length: int) -> None:
        """Count bytes of the body."""
        self._content += length

    def begin_phase(self) -> None:
        """Begin with the next portion to count what the parser consumes without a result."""
        self._portions = self._content = 0

    def add_portion(self, length: int) -> None:
        """Count a portion in which no phase began or ended: of a head, or of a body and its trailers."""
        self._portions += length
        if self._portions - self._content > self.limits.head_bytes:
            raise self._too_large()

    def _too_large(self) -> RejectedRequest:
        return _headers_too_large(f"headers of more than {self.limits.head_bytes} bytes")


def check_head(method: bytes, version: str, headers: Headers) -> None:
    """Check a complete head. Raises RejectedRequest."""
    if version not in ("1.0", "1.1"):
        status = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
        raise RejectedRequest(status, TransportCode.BAD_REQUEST, "The protocol must be HTTP/1.1 or HTTP/1.0")
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 and (hosts or version == "1.1"):
        raise RejectedRequest.malformed("The request must have one Host header")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise RejectedRequest.malformed("The Host header is not a host with an optional port")
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and version == "1.0":
        raise RejectedRequest.malformed("A request of HTTP/1.0 must not have a Transfer-Encoding")
    if codings and codings != [b"chunked"]:
        status = HTTPStatus.NOT_IMPLEMENTED
        raise RejectedRequest(status, TransportCode.BAD_REQUEST, "The only supported Transfer-Encoding is chunked")
    if method == b"CONNECT":
        raise RejectedRequest.malformed("This server is no proxy")


def is_handshake(method: bytes, version: str, headers: Headers) -> bool:
    """Return whether the request opens a websocket (RFC 6455, section 4.2.1), given that Connection names Upgrade.

    Any other offer in Upgrade is ignored, as the server may do with each (RFC 9110, section 7.8): the body, which a
    handshake has not, is read as usual.
    """
    has_body = any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0")) for name, value in headers
    )
    return method == b"GET" and version == "1.1" and not has_body and _tokens(headers, b"upgrade") == [b"websocket"]


def body_framing(headers: Headers, *, keep_alive: bool) -> bytes:
    """Return the head of a request whose body has the same length as one with these headers."""
    framing = [(name, value) for name, value in headers if name in (b"content-length", b"transfer-encoding")]
    if not keep_alive:
        framing.append((b"connection", b"close"))
    return b"POST / HTTP/1.1\r\n" + b"".join(b"%s: %s\r\n" % pair for pair in framing) + b"\r\n"


def _tokens(headers: Headers, header: bytes) -> list[bytes]:
    """Return the elements of a header that is a list, in lower case (RFC 9110, section 5.6.1)."""
    parts = [part.strip(b" \t").lower() for name, value in headers if name == header for part in value.split(b",")]
    return [part for part in parts if part]


def _headers_too_large(what: str) -> RejectedRequest:
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return RejectedRequest(status, TransportCode.HEADERS_TOO_LARGE, f"The request has {what}")
