"""What transports need to know of the result of an operation."""

from typing import Any

from graphql import GraphQLError
from strawberry.types import ExecutionResult

from execution.outcomes import Encoded
from server.transports.closing import CloseConnection
from server.transports.errors import TransportCode, cause_of, error_body


class CompiledResult(ExecutionResult):
    """A result that a compiled plan made."""


def is_request_error(result: ExecutionResult) -> bool:
    """Return whether nothing was executed. Errors of execution have a path, those of validation and coercion have none.

    https://spec.graphql.org/draft/#sec-Errors.Request-Errors
    """
    return result.data is None and bool(result.errors) and all(error.path is None for error in result.errors)


def is_internal(errors: list[GraphQLError]) -> bool:
    """Return whether one of the errors is an unexpected one of the server."""
    return any((error.extensions or {}).get("code") == TransportCode.INTERNAL for error in errors)


def requested_close(result: ExecutionResult) -> CloseConnection | None:
    """Return the first CloseConnection that a resolver raised."""
    for error in result.errors or ():
        cause = cause_of(error)
        if isinstance(cause, CloseConnection):
            return cause
    return None


def response_map(result: ExecutionResult) -> dict[str, object]:
    """Return the JSON of a result (https://spec.graphql.org/draft/#sec-Response-Format)."""
    data: Any = result.data
    if type(data) is Encoded:
        data = data.fragment
    body: dict[str, object] = {"data": data} if not result.errors else error_body(result.errors)
    if result.errors and not is_request_error(result):
        body["data"] = data
    if result.extensions:
        body["extensions"] = result.extensions
    return body
