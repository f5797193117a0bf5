"""Errors of HTTP requests that reach no GraphQL operation, as JSON in the format of GraphQL errors."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.transports.closing import CloseCode, CloseConnection
from server.transports.errors import TransportCode, coded, error_body
from server.transports.payloads import encode
from server.transports.responses.accept import GRAPHQL_RESPONSE, JSON
from server.transports.responses.one_write import one_write


class GraphQLHTTPError(Exception):
    """An HTTP status and an error for the client."""

    def __init__(
        self,
        status: int,
        code: TransportCode,
        message: str,
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
        self.extensions = extensions or {}

    @classmethod
    def from_closing(cls, closing: CloseConnection) -> "GraphQLHTTPError":
        """Return the HTTP equivalent of a websocket close."""
        if closing.code is CloseCode.UNAUTHORIZED:
            return cls(401, TransportCode.UNAUTHENTICATED, closing.reason)
        return cls(403, TransportCode.FORBIDDEN, closing.reason)

    @classmethod
    def from_exception(cls, error: HTTPException) -> "GraphQLHTTPError":
        """Convert the HTTPException that a context factory may raise."""
        code = _CODES.get(error.status_code, TransportCode.BAD_REQUEST)
        return cls(error.status_code, code, error.detail, error.headers)

    def response(self, media_type: str | None) -> Response:
        """Return the response to send."""
        error = coded(self.code, self.message)
        error.extensions = {**(error.extensions or {}), **self.extensions}
        body = error_body([error])
        return json_response(body, self.status, media_type, self.headers)


def json_response(
    body: object, status: int, media_type: str | None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON response, also to a client that accepts none."""
    content_type = f"{_json_type(media_type)}; charset=utf-8"
    return Response(encode(body), status, {**(headers or {}), "content-type": content_type, "vary": "accept"})


class JSONAnswer:
    """The response of an operation: the same as `json_response` without further headers, made with fewer steps.

    A body of bytes is JSON already.
    """

    __slots__ = ("_media_type", "body", "status")

    def __init__(self, body: object, status: int, media_type: str | None) -> None:
        self.body = body if type(body) is bytes else encode(body)
        self.status = status
        self._media_type = media_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        length = (b"content-length", b"%d" % len(self.body))
        headers = [_CONTENT_TYPES[_json_type(self._media_type)], _VARY, length]
        with one_write(scope):
            await send({"type": "http.response.start", "status": self.status, "headers": headers})
            await send({"type": "http.response.body", "body": self.body})


def _json_type(media_type: str | None) -> str:
    return GRAPHQL_RESPONSE if media_type == GRAPHQL_RESPONSE else JSON


_VARY = (b"vary", b"accept")
_CONTENT_TYPES = {name: (b"content-type", f"{name}; charset=utf-8".encode()) for name in (JSON, GRAPHQL_RESPONSE)}
_CODES = {
    401: TransportCode.UNAUTHENTICATED,
    403: TransportCode.FORBIDDEN,
    413: TransportCode.PAYLOAD_TOO_LARGE,
}
