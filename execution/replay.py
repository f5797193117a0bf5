"""Finishes a mutation that its plan could not complete, without executing any of its fields twice."""

from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

from graphql import Executor

Data = dict[str, Any]


@dataclass
class Outcomes:
    """What the root fields of a mutation have done, by response key. It is the root value of the executor."""

    completed: Data = field(default_factory=dict[str, Any])
    """The answers of the fields that are complete."""

    results: Data = field(default_factory=dict[str, Any])
    """The result, or the error, of the resolver of the field that could not be completed."""


class ReplayingExecutor(Executor[Any]):
    """An executor for which a root value of type `Outcomes` replaces the fields that were executed before."""

    def execute_field(  # pyright: ignore[reportUnknownParameterType] # generic types of graphql-core are open
        self, parent_type: Any, source: Any, field_details_list: Any, path: Any, position_context: Any
    ) -> Any:
        """Return the answer of a field, or complete the result of its resolver, or execute it."""
        if not isinstance(source, Outcomes):
            return self._execute(parent_type, source, field_details_list, path, position_context)
        self.root_value = None
        if path.key in source.completed:
            return source.completed[path.key]
        if path.key not in source.results:
            return self._execute(parent_type, None, field_details_list, path, position_context)
        return self._complete(parent_type, source.results[path.key], field_details_list, path, position_context)

    def _execute(self, *arguments: Any) -> Any:
        return super().execute_field(*arguments)

    async def _complete(self, parent_type: Any, result: Any, details: Any, path: Any, position: Any) -> Any:
        """Complete a result as `execute_field` does after it has called the resolver."""
        executor: Any = self
        nodes = [each.node for each in details]
        definition: Any = self.schema.get_field(parent_type, nodes[0].name.value)
        info = executor.build_resolve_info(definition, nodes, parent_type, path)
        try:
            completed = executor.complete_value(definition.type, details, info, path, result, position)
            return await completed if isawaitable(completed) else completed
        except Exception as error:
            executor.handle_field_error(error, definition.type, details, path)
            return None
