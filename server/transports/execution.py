"""The execution of one operation, from parameters to results; shared by the three transports."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import strawberry
from graphql import GraphQLError, OperationType
from starlette.requests import HTTPConnection
from strawberry.types import ExecutionResult

from execution.messages import CompiledMessages
from execution.outcomes import Outcomes
from server.transports.closing import CloseConnection
from server.transports.documents.compiled import CompiledOperations, Prepared
from server.transports.documents.document_limiter import Admitted, DocumentLimiter
from server.transports.documents.documents import parsed_document
from server.transports.documents.params import Params
from server.transports.documents.persisted import PersistedDocuments
from server.transports.errors import TransportCode
from server.transports.limits import TransportLimits
from server.transports.observation.port import Answered, NoObserver, Observer, Stream, StreamEnd, codes_of
from server.transports.operation_context import GetContext, OperationContext
from server.transports.rate_limiter import NoRateLimits, RateLimiter, TooManyRequests
from server.transports.results import CompiledResult
from server.transports.short_path.kept_queries import KeptQueries, KeptQuery

if TYPE_CHECKING:
    from server.transports.shared.message import SharedMessage
    from server.transports.shared.streams import Asked, SharedStreams


_INTERNAL: Final = (str(TransportCode.INTERNAL),)
_CLOSED: Final = (str(TransportCode.FORBIDDEN),)
_CANCELED: Final = ("CANCELED",)
"""The codes of an operation that failed unexpectedly, whose caller was refused, and that its client has ended."""

COSTLY: Final = 1_000
COST_FACTOR: Final = 6
"""A query above this cost is charged so many times when graphql-core has to answer it, which takes ten to twenty times
as long as a plan. Cheaper ones take little longer than the costliest that a plan answers."""


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
    queries: KeptQueries = field(default_factory=lambda: KeptQueries(0))
    """What is kept of the queries that clients send again and again."""
    observer: Observer = field(default_factory=NoObserver)

    def admit(
        self, params: Params, connection: HTTPConnection, known: KeptQuery | None = None
    ) -> tuple[Params, Admitted]:
        """Return the parameters, with the document if only its identifier was sent, and the operation with its cost.

        `known` is a query with the same parameters that was admitted before.
        Raises a coded GraphQLError when the document is unknown or not trusted, cannot be parsed, does not determine
        the operation or exceeds a limit, and TooManyRequests when the caller exceeds a rate limit.
        """
        started_at = time.perf_counter()
        try:
            return self._admit(params, connection, known)
        except GraphQLError as error:
            seconds = time.perf_counter() - started_at
            self.observer.answered(connection, Answered(None, None, None, seconds, codes_of([error])))
            raise

    def _admit(self, params: Params, connection: HTTPConnection, known: KeptQuery | None) -> tuple[Params, Admitted]:
        caller = self.rate_limiter.request(connection)
        params = self.documents.resolve(params, connection)
        if known is not None and params.query == known.params.query:
            params, admitted = known.params, known.admitted
            if self.document_limiter is not None:
                self.rate_limiter.spend_for(caller, admitted.cost or 1)
        elif self.document_limiter is None:
            parsed = parsed_document(params.query, self.limits.document_tokens)
            operation = parsed.operation(params.operation_name)
            admitted = Admitted(operation.operation, parsed=parsed, operation=operation)
        else:
            admitted = self.document_limiter.admit(params)
            self.rate_limiter.spend_for(caller, admitted.cost or 1)
        if params.document_id is not None:
            self.documents.register(params)
        return params, admitted

    def prepare(self, params: Params, admitted: Admitted) -> Prepared | None:
        """Return the plan of a query or a mutation; None when graphql-core has to make the answer."""
        if self.compiled is None or admitted.parsed is None:
            return None
        return self.compiled.prepared(params, admitted.parsed)

    async def execute(
        self, params: Params, connection: HTTPConnection, admitted: Admitted, started_at: float | None = None
    ) -> ExecutionResult:
        """Execute a query or a mutation. `started_at` is when its admission began (`time.perf_counter`)."""
        return await self.execute_prepared(params, connection, admitted, self.prepare(params, admitted), started_at)

    async def execute_prepared(
        self,
        params: Params,
        connection: HTTPConnection,
        admitted: Admitted,
        prepared: Prepared | None,
        started_at: float | None = None,
    ) -> ExecutionResult:
        """Execute a query or a mutation for which `prepare` returned `prepared`."""
        started_at = time.perf_counter() if started_at is None else started_at
        is_compiled, codes = False, _CANCELED
        try:
            result, codes = await self._execute(params, connection, admitted, prepared)
            is_compiled = type(result) is CompiledResult
        except Exception as error:
            codes = _codes_of_error(error)
            raise
        finally:
            seconds = time.perf_counter() - started_at
            answered = Answered(admitted.kind.value, admitted.name, admitted.cost, seconds, codes, is_compiled)
            self.observer.answered(connection, answered)
        return self._with_cost(result, admitted)

    async def _execute(
        self, params: Params, connection: HTTPConnection, admitted: Admitted, prepared: Prepared | None
    ) -> tuple[ExecutionResult, tuple[str, ...]]:
        """Return the result, and the codes of what failed in it."""
        cost = admitted.cost or 1
        if admitted.kind is OperationType.QUERY:
            async with self.rate_limiter.read_slot(connection, cost):
                context = await self.context(connection)
                async with context.answering(cost):
                    result = await self._result(params, connection, context, admitted, prepared)
            return result, codes_of(result.errors) if result.errors else ()
        context = await self.context(connection)
        async with context.answering(cost):
            result = await self._result(params, connection, context, admitted, prepared)
        codes = (*codes_of(result.errors), *context.refusals) if result.errors else context.refusals
        return result, tuple(dict.fromkeys(codes)) if codes else ()

    async def _result(
        self,
        params: Params,
        connection: HTTPConnection,
        context: OperationContext,
        admitted: Admitted,
        prepared: Prepared | None,
    ) -> ExecutionResult:
        """Raises TooManyRequests before graphql-core executes a costly query that exceeds the rate limit."""
        outcomes = None if self.compiled is None or admitted.kind is OperationType.QUERY else Outcomes()
        if self.compiled is not None and admitted.parsed is not None:
            # Strawberry's result has no type for data that is encoded already.
            data: Any = None
            if prepared is not None and outcomes is None:
                data = await self.compiled.query(prepared, params, context)
            elif prepared is not None and outcomes is not None:
                data = await self.compiled.mutate(prepared, params, context, outcomes)
            if data is not None:
                return CompiledResult(data=data, errors=None)
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

    def count_compiled(self) -> None:
        """Count an answer that was made by a plan."""
        if self.compiled is not None:
            self.compiled.paths.compiled += 1

    def ask(self, params: Params, connection: HTTPConnection, admitted: Admitted) -> "Asked | None":
        """Return a subscription that can be shared with others; None for one that has to be executed alone."""
        if self.shared is None:
            return None
        return self.shared.ask(params, connection, admitted, self.cost_extension(admitted))

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
        stream, started_at, messages, codes = Stream(admitted.name, admitted.cost), time.perf_counter(), 0, ()
        self.observer.stream_started(connection, stream)
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
                    codes = _codes_of_last(made) or codes
                    self.observer.sent(len(made))
                    for each in made:
                        messages += 1
                        yield each
                    made.clear()
                    if not has_spent:
                        await self._spend_when_available(connection, cost)
            await context.answered()
            codes = _codes_of_last(made) or codes
            self.observer.sent(len(made))
            for each in made:
                messages += 1
                yield each
        except Exception as error:
            codes = _codes_of_error(error)
            raise
        finally:
            try:
                await context.answered()
            finally:  # also when the connection to the database is broken, or this task is canceled again
                end = StreamEnd(time.perf_counter() - started_at, messages, codes)
                self.observer.stream_ended(connection, stream, end)

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
        if (cost := self.cost_extension(admitted)) is not None:
            result.extensions = {**result.extensions, **cost} if result.extensions else cost
        return result

    def cost_extension(self, admitted: Admitted) -> dict[str, object] | None:
        """Return the extensions of the response to an operation with a cost."""
        if admitted.cost is None or self.document_limiter is None:
            return None
        return {"cost": {"requested": admitted.cost, "limit": self.document_limiter.limits.cost}}


def _codes_of_error(error: Exception) -> tuple[str, ...]:
    if isinstance(error, CloseConnection):
        return _CLOSED
    return codes_of([error]) if isinstance(error, GraphQLError) else _INTERNAL


def _codes_of_last(results: Sequence[ExecutionResult]) -> tuple[str, ...]:
    return codes_of(results[-1].errors) if results else ()
