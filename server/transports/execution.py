"""One operation, from its parameters to its results: what the three transports have in common."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field
from typing import Any

import strawberry
from graphql import GraphQLError, OperationType
from starlette.requests import HTTPConnection
from strawberry.types import ExecutionResult

from server.transports.closing import CloseConnection
from server.transports.document_limiter import Admitted, DocumentLimiter
from server.transports.documents import find_operation, parse_document
from server.transports.errors import TransportCode, cause_of, formatted
from server.transports.limits import TransportLimits
from server.transports.params import Params
from server.transports.rate_limiter import OpenGate, RateLimiter, TooManyRequests

GetContext = Callable[[HTTPConnection], Awaitable[object]]
"""Makes the context of one operation. On a websocket it is called for each: a context that outlived its operation would
serve its successor stale rows."""


@dataclass(frozen=True, slots=True)
class Executor:
    schema: strawberry.Schema
    context: GetContext
    limits: TransportLimits
    document_limiter: DocumentLimiter | None = None
    rate_limiter: RateLimiter = field(default_factory=OpenGate)

    def admit(self, params: Params, connection: HTTPConnection) -> Admitted:
        """What is meant and what it costs. Raise a coded GraphQLError when the document cannot be parsed, does not say
        which operation is meant or asks for too much, and TooManyRequests when the caller does."""
        self.rate_limiter.request(connection)
        if self.document_limiter is None:
            document = parse_document(params.query, self.limits.document_tokens)
            return Admitted(find_operation(document, params.operation_name).operation)
        admitted = self.document_limiter.admit(params)
        self.rate_limiter.spend(connection, admitted.cost or 1)
        return admitted

    async def execute(self, params: Params, connection: HTTPConnection, admitted: Admitted) -> ExecutionResult:
        """A query or a mutation."""
        reads = admitted.kind is OperationType.QUERY
        async with self.rate_limiter.read_slot(connection, admitted.cost or 1) if reads else nullcontext():
            result = await self.schema.execute(
                params.query,
                variable_values=params.variables,
                context_value=await self.context(connection),
                operation_name=params.operation_name,
                operation_extensions=params.extensions,
            )
        return self._with_cost(result, admitted)

    async def subscribe(
        self, params: Params, connection: HTTPConnection, admitted: Admitted
    ) -> AsyncGenerator[ExecutionResult, Any]:
        """The results of a subscription; its cost is told with the first."""
        results = await self.schema.subscribe(
            params.query,
            variable_values=params.variables,
            context_value=await self.context(connection),
            operation_name=params.operation_name,
            operation_extensions=params.extensions,
        )
        return self._paced(results, connection, admitted)

    async def _paced(
        self, results: AsyncGenerator[ExecutionResult, Any], connection: HTTPConnection, admitted: Admitted
    ) -> AsyncGenerator[ExecutionResult, Any]:
        """Every message costs as much as the first. What cannot be afforded now is made later: a stream that waits
        catches up by itself, where a query would have to be asked again."""
        told = False
        async with aclosing(results):
            async for result in results:
                yield result if told else self._with_cost(result, admitted)
                told = True
                await self._afford(connection, admitted.cost or 1)

    async def _afford(self, connection: HTTPConnection, cost: int) -> None:
        while True:
            try:
                return self.rate_limiter.spend(connection, cost)
            except TooManyRequests as limited:
                await asyncio.sleep(max(1.0, limited.retry_after_seconds))

    def _with_cost(self, result: ExecutionResult, admitted: Admitted) -> ExecutionResult:
        if admitted.cost is not None and self.document_limiter is not None:
            cost = {"requested": admitted.cost, "limit": self.document_limiter.limits.cost}
            result.extensions = {**(result.extensions or {}), "cost": cost}
        return result


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
