"""One operation, from its parameters to its results: what the three transports have in common."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import GraphQLError, OperationType
from starlette.requests import HTTPConnection
from strawberry.types import ExecutionResult

from server.transports.closing import CloseConnection
from server.transports.documents import find_operation, parse_document
from server.transports.errors import TransportCode, cause_of, formatted
from server.transports.limits import TransportLimits
from server.transports.params import Params

GetContext = Callable[[HTTPConnection], Awaitable[object]]
"""Makes the context of one operation. On a websocket it is called for each: a context that outlived its operation would
serve its successor stale rows."""


@dataclass(frozen=True, slots=True)
class Executor:
    schema: strawberry.Schema
    context: GetContext
    limits: TransportLimits

    def operation_type(self, params: Params) -> OperationType:
        """Raise a coded GraphQLError when the document cannot be parsed or does not say which operation is meant."""
        document = parse_document(params.query, self.limits.document_tokens)
        return find_operation(document, params.operation_name).operation

    async def execute(self, params: Params, connection: HTTPConnection) -> ExecutionResult:
        """A query or a mutation."""
        return await self.schema.execute(
            params.query,
            variable_values=params.variables,
            context_value=await self.context(connection),
            operation_name=params.operation_name,
            operation_extensions=params.extensions,
        )

    async def subscribe(self, params: Params, connection: HTTPConnection) -> AsyncGenerator[ExecutionResult, Any]:
        return await self.schema.subscribe(
            params.query,
            variable_values=params.variables,
            context_value=await self.context(connection),
            operation_name=params.operation_name,
            operation_extensions=params.extensions,
        )


def is_request_error(result: ExecutionResult) -> bool:
    """Nothing was executed. An error of execution always has a path, one of validation or coercion never.

    https://spec.graphql.org/draft/#sec-Errors.Request-Errors
    """
    return result.data is None and bool(result.errors) and all(error.path is None for error in result.errors)


def is_internal(errors: list[GraphQLError]) -> bool:
    return any((error.extensions or {}).get("code") == TransportCode.INTERNAL for error in errors)


def wanted_closing(result: ExecutionResult) -> CloseConnection | None:
    """The first CloseConnection that a resolver raised."""
    for error in result.errors or ():
        cause = cause_of(error)
        if isinstance(cause, CloseConnection):
            return cause
    return None


def response_map(result: ExecutionResult) -> dict[str, object]:
    """https://spec.graphql.org/draft/#sec-Response-Format"""
    body = formatted(result.errors) if result.errors else {}
    if not is_request_error(result):
        body["data"] = result.data
    if result.extensions:
        body["extensions"] = result.extensions
    return body
