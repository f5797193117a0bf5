"""The errors that the transports themselves utter, in the shape of every GraphQL error, with a code to branch on."""

import logging
import secrets
from collections.abc import Sequence
from enum import StrEnum

from graphql import GraphQLError
from starlette.requests import HTTPConnection

logger = logging.getLogger(__name__)


class TransportCode(StrEnum):
    """`extensions.code` of an error that is not the domain's."""

    BAD_REQUEST = "BAD_REQUEST"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    UNKNOWN_OPERATION = "OPERATION_RESOLUTION_FAILURE"
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
    return GraphQLError(message, extensions={"code": code})


def report(error: BaseException, request_id: str | None = None) -> dict[str, object]:
    """Log what nobody expected, once, with its traceback; return the extensions to send instead of its message."""
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
    return GraphQLError(INTERNAL_MESSAGE, extensions=report(error, request_id_of(connection)))


def request_id_of(connection: HTTPConnection) -> str | None:
    """What the application around the transports calls this request or socket, if it does."""
    return getattr(connection.state, "request_id", None)


def formatted(errors: Sequence[GraphQLError]) -> dict[str, object]:
    """The body of a request error: no `data` entry, for nothing was executed."""
    return {"errors": [told(error) for error in errors]}


def told(error: GraphQLError) -> dict[str, object]:
    """How an error is sent, whatever a client put into it to be repeated."""
    shown: dict[str, object] = {**error.formatted}
    shown["message"] = shortened(error.message)
    return shown


def shortened(message: str) -> str:
    return message if len(message) <= MESSAGE_CHARACTERS else f"{message[: MESSAGE_CHARACTERS - 1]}…"


def cause_of(error: GraphQLError) -> Exception | None:
    """What a resolver raised, from under the layers that located it."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


INTERNAL_MESSAGE = "Internal error"
MESSAGE_CHARACTERS = 200
