"""Reading the body of a POST, with checks of its type and its size."""

from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import Scope

from server.transports.errors import TransportCode
from server.transports.header_values import value_of
from server.transports.responses.http_errors import GraphQLHTTPError

_JSON: Final = "application/json"


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Return the body. Raises GraphQLHTTPError with 413 or 415, and starlette's ClientDisconnect."""
    _check_type(request.scope)
    if _declared_bytes(request.scope) > limit_bytes:
        raise _too_large(limit_bytes)
    parts: list[bytes] = []
    length, has_more = 0, True
    while has_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        length += len(part)
        if length > limit_bytes:
            raise _too_large(limit_bytes)
        parts.append(part)
        has_more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _check_type(scope: Scope) -> None:
    """Require uncompressed JSON in UTF-8 (https://graphql.github.io/graphql-over-http/draft/#sec-POST)."""
    content_type = value_of(scope, b"content-type") or ""
    if content_type != _JSON and (reason := _refusal_of(content_type)) is not None:
        raise _unsupported(reason)
    encoding = value_of(scope, b"content-encoding")
    if encoding is not None and encoding.lower() != "identity":
        raise _unsupported("The body must not be compressed")


def _refusal_of(content_type: str) -> str | None:
    """Return why a body of this type is refused; None for JSON in UTF-8."""
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media_type != _JSON:
        return "The body must be of type application/json"
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8"):
            return "The body must be in UTF-8"
    return None


def _declared_bytes(scope: Scope) -> int:
    """Return the declared length, or 0; the bytes received are counted as well."""
    declared = value_of(scope, b"content-length") or ""
    return int(declared) if declared.isdecimal() and len(declared) < 20 else 0


def _too_large(limit_bytes: int) -> GraphQLHTTPError:
    return GraphQLHTTPError(413, TransportCode.PAYLOAD_TOO_LARGE, f"The body is larger than {limit_bytes} bytes")


def _unsupported(message: str) -> GraphQLHTTPError:
    return GraphQLHTTPError(415, TransportCode.UNSUPPORTED_MEDIA_TYPE, message, {"accept": "application/json"})
