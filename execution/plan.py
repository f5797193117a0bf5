"""A compiled operation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import strawberry
from graphql import DocumentNode, OperationDefinitionNode, OperationType
from graphql.execution.values import VariableValues

from execution.compiler import Compiler, ObjectCompiler
from execution.deviation import DIRECTIVE, UNKNOWN, Unsupported
from execution.raw import RawValues
from execution.selections import Conditions, Selections, fragments_of
from execution.serial import Step, step
from execution.sites import Operation, Run, Slots
from execution.sources import ORDINARY
from execution.values import Pure

Data = dict[str, Any]


@dataclass
class Outcomes:
    """What the root fields of a mutation have done, for an executor that finishes the operation.

    `completed` are the answers of the fields that are complete, `results` the result, or the error, of the resolver of
    the field that could not be completed: nothing of these is executed again.
    """

    completed: Data = field(default_factory=dict[str, Any])
    results: Data = field(default_factory=dict[str, Any])


class Plan:
    """A compiled operation. Every method raises an exception when graphql-core has to make the answer instead."""

    def __init__(
        self,
        schema: strawberry.Schema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        conditions: Conditions,
        raw: RawValues,
    ) -> None:
        """Compile an operation of a valid document. Raises Unsupported."""
        core = schema._schema  # pyright: ignore[reportPrivateUsage] # there is no public accessor
        self.kind = operation.operation
        root = core.get_root_type(self.kind)
        if root is None:
            raise Unsupported(UNKNOWN)
        if operation.directives or any(each.variable_definitions for each in fragments_of(document).values()):
            raise Unsupported(DIRECTIVE)
        self._operation = Operation(schema, core, operation, fragments_of(document))
        selections = Selections(core, document, conditions)
        compiler = Compiler(self._operation, selections, raw)
        fields = compiler.counted(selections.fields(root, [operation.selection_set]))
        self._steps: list[Step] = []
        if self.kind is OperationType.QUERY:
            self._query = ObjectCompiler(compiler, root, None, ORDINARY, nullable=False).of_fields(fields)
        else:
            self._steps = [step(compiler, root, key, nodes) for key, nodes in fields.items()]
        self._prepares = tuple(compiler.prepares)
        self.characters = compiler.module.characters
        """The length of the generated source, as a measure of the plan's size."""

    async def query(self, context: Any, variables: VariableValues, extensions: Mapping[str, Any] | None = None) -> Data:
        """Return the data of a query."""
        slots = self._slots(Run(self._operation, context, variables, None, extensions))
        if isinstance(self._query, Pure):
            return self._query.many([None], slots)[0]
        return (await self._query.many([None], slots))[0]

    async def mutate(
        self,
        context: Any,
        variables: VariableValues,
        outcomes: Outcomes,
        extensions: Mapping[str, Any] | None = None,
    ) -> Data:
        """Return the data of a mutation; its root fields are executed in order.

        When it raises, `outcomes` has what was executed.
        """
        slots = self._slots(Run(self._operation, context, variables, None, extensions))
        for each in self._steps:
            outcomes.completed[each.key] = await each.execute(slots, outcomes.results)
            outcomes.results.clear()
        return outcomes.completed

    async def complete(
        self, value: Any, context: Any, variables: VariableValues, extensions: Mapping[str, Any] | None = None
    ) -> Data:
        """Return the data of a subscription's message, whose root field has this value."""
        slots = self._slots(Run(self._operation, context, variables, value, extensions))
        return {each.key: await each.complete(value, slots) for each in self._steps}

    def _slots(self, run: Run) -> Slots:
        return [run, *[prepare(run) for prepare in self._prepares]]
