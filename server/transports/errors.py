"""The errors of the transports, in the format of GraphQL errors, with a code for clients to branch on."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from enum import StrEnum

from graphql import GraphQLError
from starlette.requests import HTTPConnection

logger = logging.getLogger(__name__)


class TransportCode(StrEnum):
    """`extensions.code` of an error that the domain did not raise."""

    BAD_REQUEST = "BAD_REQUEST"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    HEADERS_TOO_LARGE = "HEADERS_TOO_LARGE"
    URI_TOO_LONG = "URI_TOO_LONG"
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    UPGRADE_REQUIRED = "UPGRADE_REQUIRED"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    UNKNOWN_OPERATION = "OPERATION_RESOLUTION_FAILURE"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    DOCUMENT_MISMATCH = "DOCUMENT_MISMATCH"
    DOCUMENT_NOT_TRUSTED = "DOCUMENT_NOT_TRUSTED"
    LIMIT_EXCEEDED = "GRAPHQL_LIMIT_EXCEEDED"
    RATE_LIMITED = "RATE_LIMITED"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    STREAM_REQUIRED = "STREAM_REQUIRED"
    TOO_MANY_OPERATIONS = "TOO_MANY_OPERATIONS"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


def coded(code: TransportCode, message: str) -> GraphQLError:
    """Return a GraphQL error with a code."""
    return GraphQLError(message, extensions={"code": code})


def report(error: BaseException, request_id: str | None = None) -> dict[str, object]:
    """Log an unexpected error once, with its traceback; return the extensions to send instead of its message."""
    error_id = secrets.token_hex(8)
    logger.error(
        "Internal error %s of request %s: %s",
        error_id,
        request_id or "-",
        type(error).__name__,
        exc_info=error,
        extra={"action": "internal_error", "error_id": error_id, "request_id": request_id},
    )
    return {"code": TransportCode.INTERNAL, "id": error_id, **({"requestId": request_id} if request_id else {})}


def internal_error(error: BaseException, connection: HTTPConnection) -> GraphQLError:
    """Log an unexpected error; return the masked error for the client."""
    return GraphQLError(INTERNAL_MESSAGE, extensions=report(error, request_id_of(connection)))


def request_id_of(connection: HTTPConnection) -> str | None:
    """Return the request id that the application stored in the connection's state, if any."""
    return getattr(connection.state, REQUEST_ID_STATE, None)


def error_body(errors: Sequence[GraphQLError]) -> dict[str, object]:
    """Return the body of a request error; it has no `data` entry because nothing was executed."""
    return {"errors": [format_error(error) for error in errors]}


def bodies_of_both_apis(
    code: TransportCode, message: str, extensions: Mapping[str, object] | None = None
) -> dict[str, object]:
    """Return the body of an error in the shapes of GraphQL and of REST at once, for a request whose API is unknown."""
    details = dict(extensions or {})
    return {
        "errors": [{"message": message, "extensions": {"code": code, **details}}],
        "error": {"code": code, "message": message, "details": [details] if details else []},
    }


def format_error(error: GraphQLError) -> dict[str, object]:
    """Return the JSON of an error. The message is shortened, because it may quote input of any length."""
    body: dict[str, object] = {**error.formatted}
    body["message"] = shortened(error.message)
    return body


def shortened(message: str) -> str:
    """Return at most MESSAGE_CHARACTERS of the message."""
    return message if len(message) <= MESSAGE_CHARACTERS else f"{message[: MESSAGE_CHARACTERS - 1]}…"


def cause_of(error: GraphQLError) -> Exception | None:
    """Return the exception that a resolver raised, without the GraphQL errors that wrap it to locate it."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


REQUEST_ID_STATE = "request_id"
"""The name of the request id in the state of a connection."""

INTERNAL_MESSAGE = "Internal error"
MESSAGE_CHARACTERS = 200
