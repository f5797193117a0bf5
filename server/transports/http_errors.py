"""An HTTP request that never became a GraphQL operation: its status, and its body in the shape of a GraphQL error."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.responses import Response

from server.transports.accept import GRAPHQL_RESPONSE, JSON
from server.transports.closing import CloseCode, CloseConnection
from server.transports.errors import TransportCode, coded, formatted
from server.transports.payloads import encode


class GraphQLHTTPError(Exception):
    """The message is the client's to read."""

    def __init__(
        self, status: int, code: TransportCode, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    @classmethod
    def from_closing(cls, closing: CloseConnection) -> "GraphQLHTTPError":
        """HTTP has no close codes: the nearest status."""
        if closing.code is CloseCode.UNAUTHORIZED:
            return cls(401, TransportCode.UNAUTHENTICATED, closing.reason)
        return cls(403, TransportCode.FORBIDDEN, closing.reason)

    @classmethod
    def from_exception(cls, error: HTTPException) -> "GraphQLHTTPError":
        """What the making of the context raised, in Starlette's terms."""
        code = _CODES.get(error.status_code, TransportCode.BAD_REQUEST)
        return cls(error.status_code, code, error.detail, error.headers)

    def response(self, media_type: str | None) -> Response:
        body = formatted([coded(self.code, self.message)])
        return json_response(body, self.status, media_type, self.headers)


def json_response(
    body: object, status: int, media_type: str | None, headers: Mapping[str, str] | None = None
) -> Response:
    """In JSON, whatever the client would rather have had."""
    chosen = GRAPHQL_RESPONSE if media_type == GRAPHQL_RESPONSE else JSON
    content_type = f"{chosen}; charset=utf-8"
    return Response(encode(body), status, {**(headers or {}), "content-type": content_type, "vary": "accept"})


_CODES = {
    401: TransportCode.UNAUTHENTICATED,
    403: TransportCode.FORBIDDEN,
    413: TransportCode.PAYLOAD_TOO_LARGE,
}
