"""The executor of graphql-core beside compiled operations.

It finishes a mutation that its plan could not complete, without executing any of its fields twice, and it lets a plan
complete the messages of a subscription. What it needs for that is its root value.
"""

from inspect import isawaitable
from typing import Any

from graphql import ExecutionResult, Executor

from execution.messages import CompiledMessages
from execution.outcomes import Outcomes


class PlanAwareExecutor(Executor[Any]):
    """An executor whose root value may be the `Outcomes` of a mutation or the `CompiledMessages` of a subscription.

    Resolvers are given None as root value then.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)  # pyright: ignore[reportUnknownMemberType] # generic types of graphql-core are open
        root: Any = self.root_value
        self.outcomes = root if isinstance(root, Outcomes) else None
        self.messages = root if isinstance(root, CompiledMessages) else None
        if self.outcomes is not None or self.messages is not None:
            self.root_value = None

    def execute_operation(self, serially: bool | None = None) -> Any:
        """Return the result of the operation, or of one message of a subscription."""
        if self.messages is None:
            return super().execute_operation(serially)
        return self._message(self.messages, serially)

    async def _message(self, messages: CompiledMessages, serially: bool | None) -> Any:
        data = await messages.complete(self.root_value)
        if data is not None:
            return ExecutionResult(data, None)
        result: Any = super().execute_operation(serially)
        return await result if isawaitable(result) else result

    def execute_field(  # pyright: ignore[reportUnknownParameterType] # generic types of graphql-core are open
        self, parent_type: Any, source: Any, field_details_list: Any, path: Any, position_context: Any
    ) -> Any:
        """Return the answer of a root field, or complete the result of its resolver, or execute a field."""
        outcomes = self.outcomes
        if outcomes is not None and path.prev is None:
            if path.key in outcomes.completed:
                return outcomes.completed[path.key]
            if path.key in outcomes.results:
                return self._complete(parent_type, outcomes.results[path.key], field_details_list, path)
        return super().execute_field(parent_type, source, field_details_list, path, position_context)

    async def _complete(self, parent_type: Any, result: Any, details: Any, path: Any) -> Any:
        """Complete a result as `execute_field` does after it has called the resolver."""
        executor: Any = self
        nodes = [each.node for each in details]
        definition: Any = self.schema.get_field(parent_type, nodes[0].name.value)
        info = executor.build_resolve_info(definition, nodes, parent_type, path)
        try:
            completed = executor.complete_value(definition.type, details, info, path, result, None)
            return await completed if isawaitable(completed) else completed
        except Exception as error:
            executor.handle_field_error(error, definition.type, details, path)
            return None
