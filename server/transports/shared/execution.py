"""The execution of the messages of one stream."""

from typing import Any, cast

import strawberry
from graphql import DocumentNode, FieldNode, GraphQLError, GraphQLSchema
from graphql.execution.values import get_argument_values
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from execution.conversions import arguments_of, converted
from execution.exact import exact
from execution.messages import CompiledMessages
from execution.sites import DEFINITION
from server.transports.documents.params import Params
from server.transports.payloads import encode
from server.transports.results import is_request_error, requested_close, response_map
from server.transports.shared.message import SharedMessage
from server.transports.shared.source import Sharing, Source


class InvalidVariables(Exception):
    """The variables do not have the types that the operation declares."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


class MessageExecution:
    """Executes the selection of a subscription for each of its values, as Strawberry does."""

    __slots__ = ("_compiled", "_context", "_core", "_document", "_executor", "_params", "_schema")

    def __init__(
        self,
        schema: strawberry.Schema,
        core: GraphQLSchema,
        document: DocumentNode,
        params: Params,
        context: Any,
        compiled: CompiledMessages | None,
    ) -> None:
        """`compiled` completes messages by a plan, if given. Raises InvalidVariables."""
        self._schema = schema
        self._core = core
        self._document = document
        self._params = params
        self._context = context
        self._compiled = compiled
        # Without a plan it is used for each message; with one for few, and not kept, as it takes several kilobytes.
        self._executor = None if compiled is not None else self._build()

    def source(self, sharing: Sharing, field: FieldNode, selected: object) -> Source:
        """Return the source of the values, made from the arguments and what was found of the selection."""
        if self._compiled is not None:
            values = self._compiled.variables
        else:
            values = (self._executor or self._build()).variable_values
        subscription = self._core.subscription_type
        if subscription is None:
            raise TypeError("the schema has no subscriptions")
        definition = subscription.fields[field.name.value]
        arguments = arguments_of(self._schema, definition.extensions[DEFINITION])
        given = converted(arguments, get_argument_values(definition, field, values))
        return sharing.make(self._context, given, selected)

    async def execute(self, value: object) -> ExecutionResult:
        """Return the result for one value, with masked errors."""
        if self._compiled is not None:
            data = await self._compiled.complete(value)
            if data is not None:
                return ExecutionResult(data=data, errors=None)
        executor = self._executor or self._build()
        executed = executor.build_per_event_executor(value).execute_operation(False)
        result = await executed if executor.is_awaitable(executed) else executed
        if result.errors:
            self._schema.process_errors(result.errors, self._operation())
        return ExecutionResult(data=result.data, errors=result.errors)

    def message_at_once(self, value: object) -> SharedMessage | None:
        """Return the message for one value, made without waiting; None when `execute` has to make its result."""
        data = None if self._compiled is None else self._compiled.complete_at_once(value)
        return None if data is None else SharedMessage(exact(encode({"data": data})))

    def failure(self, error: Exception) -> ExecutionResult:
        """Return the result of a stream that cannot begin or continue, with masked errors."""
        return _failed(self._schema, error, self._operation())

    def _operation(self) -> ExecutionContext:
        return ExecutionContext(self._params.query, self._schema, [OperationType.SUBSCRIPTION], self._context)

    def _build(self) -> Any:
        executor_class: Any = cast("Any", self._schema).execution_context_class
        params = self._params
        built: list[GraphQLError] | Any = executor_class.build(
            self._core,
            self._document,
            None,
            self._context,
            params.variables,
            params.operation_name,
            operation_extensions=params.extensions,
        )
        if isinstance(built, list):
            raise InvalidVariables(cast("list[GraphQLError]", built))
        return built


def failure(schema: strawberry.Schema, params: Params, error: Exception) -> ExecutionResult:
    """Return the result of a stream of which nothing could be executed, with masked errors."""
    return _failed(schema, error, ExecutionContext(params.query, schema, [OperationType.SUBSCRIPTION]))


def _failed(schema: strawberry.Schema, error: Exception, context: ExecutionContext) -> ExecutionResult:
    if isinstance(error, InvalidVariables):
        errors = error.errors
    else:
        errors = [error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)]
    schema.process_errors(errors, context)
    return ExecutionResult(data=None, errors=errors)


def encoded(result: ExecutionResult) -> SharedMessage | ExecutionResult:
    """Return the message of a result; the result itself if it ends the stream or the connection."""
    if result.errors and (requested_close(result) is not None or is_request_error(result)):
        return result
    return SharedMessage(exact(encode(response_map(result))))
