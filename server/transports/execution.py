"""The execution of one operation, from parameters to results; shared by the three transports."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import strawberry
from graphql import GraphQLError, OperationType
from starlette.requests import HTTPConnection
from strawberry.types import ExecutionResult

from execution.messages import CompiledMessages
from execution.outcomes import Outcomes
from server.transports.closing import CloseConnection
from server.transports.compiled import CompiledOperations
from server.transports.document_limiter import Admitted, DocumentLimiter
from server.transports.documents import find_operation, parsed_document
from server.transports.errors import TransportCode, cause_of, error_body
from server.transports.limits import TransportLimits
from server.transports.params import Params
from server.transports.persisted import PersistedDocuments
from server.transports.rate_limiter import NoRateLimits, RateLimiter, TooManyRequests

if TYPE_CHECKING:
    from server.transports.shared.message import SharedMessage
    from server.transports.shared.streams import Asked, SharedStreams


class OperationContext(Protocol):
    """The context of one operation. One answer, or one message of a stream, is read from one snapshot."""

    def answering(self, cost: int) -> AbstractAsyncContextManager[None]:
        """Return the block in which the answer of a query or a mutation of this cost is made."""
        ...

    async def answered(self) -> None:
        """Release the connection that the resolvers of a message have used, before it is sent. Idempotent."""
        ...

    @property
    def more_follow(self) -> bool:
        """Whether the next message of the stream is made at once, from the same snapshot as the one just made."""
        ...


COSTLY: Final = 1_000
COST_FACTOR: Final = 6
"""A query above this cost is charged so many times when graphql-core has to answer it, which takes ten to twenty times
as long as a plan. Cheaper ones take little longer than the costliest that a plan answers."""

GetContext = Callable[[HTTPConnection], Awaitable[OperationContext]]
"""Makes the context of one operation. It is called for each operation of a websocket: a shared context would return
stale rows from its loaders."""


@dataclass(frozen=True, slots=True)
class Executor:
    """Admits and executes operations of one schema."""

    schema: strawberry.Schema
    context: GetContext
    limits: TransportLimits
    document_limiter: DocumentLimiter | None = None
    rate_limiter: RateLimiter = field(default_factory=NoRateLimits)
    documents: PersistedDocuments = field(default_factory=PersistedDocuments)
    shared: "SharedStreams | None" = None
    compiled: CompiledOperations | None = None
    """None when graphql-core makes every answer."""

    def admit(self, params: Params, connection: HTTPConnection) -> tuple[Params, Admitted]:
        """Return the parameters, with the document if only its identifier was sent, and the operation with its cost.

        Raises a coded GraphQLError when the document is unknown or not trusted, cannot be parsed, does not determine
        the operation or exceeds a limit, and TooManyRequests when the caller exceeds a rate limit.
        """
        self.rate_limiter.request(connection)
        params = self.documents.resolve(params, connection)
        if self.document_limiter is None:
            parsed = parsed_document(params.query, self.limits.document_tokens)
            admitted = Admitted(find_operation(parsed.document, params.operation_name).operation, parsed=parsed)
        else:
            admitted = self.document_limiter.admit(params)
            self.rate_limiter.spend(connection, admitted.cost or 1)
        self.documents.register(params)
        return params, admitted

    async def execute(self, params: Params, connection: HTTPConnection, admitted: Admitted) -> ExecutionResult:
        """Execute a query or a mutation."""
        is_query = admitted.kind is OperationType.QUERY
        cost = admitted.cost or 1
        async with self.rate_limiter.read_slot(connection, cost) if is_query else nullcontext():
            context = await self.context(connection)
            async with context.answering(cost):
                result = await self._result(params, connection, context, admitted)
        return self._with_cost(result, admitted)

    async def _result(
        self, params: Params, connection: HTTPConnection, context: OperationContext, admitted: Admitted
    ) -> ExecutionResult:
        """Raises TooManyRequests before graphql-core executes a costly query that exceeds the rate limit."""
        outcomes: Outcomes | None = None
        if self.compiled is not None and admitted.parsed is not None:
            if admitted.kind is OperationType.QUERY:
                data = await self.compiled.query(params, context, admitted.parsed)
            else:
                outcomes = Outcomes()
                data = await self.compiled.mutate(params, context, admitted.parsed, outcomes)
            if data is not None:
                return ExecutionResult(data=data, errors=None)
            cost = admitted.cost or 1
            if outcomes is None and cost > COSTLY and not self.compiled.is_request_error(params, admitted.parsed):
                self.rate_limiter.spend(connection, cost * (COST_FACTOR - 1))
        return await self.schema.execute(
            params.query,
            variable_values=params.variables,
            context_value=context,
            root_value=outcomes,
            operation_name=params.operation_name,
            operation_extensions=params.extensions,
        )

    def ask(self, params: Params, connection: HTTPConnection, admitted: Admitted) -> "Asked | None":
        """Return a subscription that can be shared with others; None for one that has to be executed alone."""
        if self.shared is None:
            return None
        return self.shared.ask(params, connection, admitted, self._cost_extension(admitted))

    async def subscribe(
        self, params: Params, connection: HTTPConnection, admitted: Admitted
    ) -> "AsyncGenerator[ExecutionResult | SharedMessage, Any]":
        """Return the results of a subscription; the first one carries the cost."""
        asked = self.ask(params, connection, admitted)
        if asked is not None and self.shared is not None:
            return self.shared.messages(asked)
        context = await self.context(connection)
        results = await self.schema.subscribe(
            params.query,
            variable_values=params.variables,
            context_value=context,
            root_value=self.messages(params, context, admitted),
            operation_name=params.operation_name,
            operation_extensions=params.extensions,
        )
        return self._rate_limited(results, context, connection, admitted)

    def messages(self, params: Params, context: object, admitted: Admitted) -> CompiledMessages | None:
        """Return the root value with which the executor of a subscription completes messages by a plan."""
        if self.compiled is None or admitted.parsed is None:
            return None
        return self.compiled.messages(params, context, admitted.parsed)

    async def _rate_limited(
        self,
        results: AsyncGenerator[ExecutionResult, Any],
        context: OperationContext,
        connection: HTTPConnection,
        admitted: Admitted,
    ) -> AsyncGenerator[ExecutionResult, Any]:
        """Spend the cost of the operation for each result. Beyond the rate limit the stream pauses: it catches up by
        itself, whereas a rejected query has to be repeated by the client.

        Results of one snapshot are made before the first of them is sent, so that a slow client keeps no connection.
        """
        cost, made, is_first = admitted.cost or 1, list[ExecutionResult](), True
        try:
            async with aclosing(results):
                async for result in results:
                    made.append(self._with_cost(result, admitted) if is_first else result)
                    is_first = False
                    has_spent = self._spend(connection, cost)
                    if has_spent and context.more_follow:
                        await asyncio.sleep(0)
                        continue
                    await context.answered()
                    for each in made:
                        yield each
                    made.clear()
                    if not has_spent:
                        await self._spend_when_available(connection, cost)
            await context.answered()
            for each in made:
                yield each
        finally:
            await context.answered()

    def _spend(self, connection: HTTPConnection, cost: int) -> bool:
        """Spend the cost; return whether the rate limit permits it."""
        try:
            self.rate_limiter.spend(connection, cost)
        except TooManyRequests:
            return False
        return True

    async def _spend_when_available(self, connection: HTTPConnection, cost: int) -> None:
        while True:
            try:
                return self.rate_limiter.spend(connection, cost)
            except TooManyRequests as limited:
                await asyncio.sleep(max(1.0, limited.retry_after_seconds))

    def _with_cost(self, result: ExecutionResult, admitted: Admitted) -> ExecutionResult:
        if (cost := self._cost_extension(admitted)) is not None:
            result.extensions = {**(result.extensions or {}), **cost}
        return result

    def _cost_extension(self, admitted: Admitted) -> dict[str, object] | None:
        if admitted.cost is None or self.document_limiter is None:
            return None
        return {"cost": {"requested": admitted.cost, "limit": self.document_limiter.limits.cost}}


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
    body = error_body(result.errors) if result.errors else {}
    if not is_request_error(result):
        body["data"] = result.data
    if result.extensions:
        body["extensions"] = result.extensions
    return body
