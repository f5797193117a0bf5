"""Reading the body of a POST, with checks of its type and its size."""

from starlette.requests import Request

from server.transports.errors import TransportCode
from server.transports.http_errors import GraphQLHTTPError


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Return the body. Raises GraphQLHTTPError with 413 or 415, and starlette's ClientDisconnect."""
    _check_type(request)
    if _declared_bytes(request) > limit_bytes:
        raise _too_large(limit_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
    return bytes(body)


def _check_type(request: Request) -> None:
    """Require uncompressed JSON in UTF-8 (https://graphql.github.io/graphql-over-http/draft/#sec-POST)."""
    media_type, *parameters = (part.strip().lower() for part in request.headers.get("content-type", "").split(";"))
    if media_type != "application/json":
        raise _unsupported("The body must be of type application/json")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8"):
            raise _unsupported("The body must be in UTF-8")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _unsupported("The body must not be compressed")


def _declared_bytes(request: Request) -> int:
    """Return the declared length, or 0; the bytes received are counted as well."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() and len(declared) < 20 else 0


def _too_large(limit_bytes: int) -> GraphQLHTTPError:
    return GraphQLHTTPError(413, TransportCode.PAYLOAD_TOO_LARGE, f"The body is larger than {limit_bytes} bytes")


def _unsupported(message: str) -> GraphQLHTTPError:
    return GraphQLHTTPError(415, TransportCode.UNSUPPORTED_MEDIA_TYPE, message, {"accept": "application/json"})
