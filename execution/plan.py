"""A compiled operation."""

from collections.abc import Mapping
from typing import Any

import strawberry
from graphql import DocumentNode, OperationDefinitionNode, OperationType
from graphql.execution.values import VariableValues

from execution.answers import Answers, AnswersOfPlan
from execution.compiler import Compiler, ObjectCompiler
from execution.dependence import dependence_of_answer
from execution.deviation import DIRECTIVE, UNKNOWN, Unsupported
from execution.fragments import Fragments
from execution.outcomes import Data, Encoded, Outcomes
from execution.raw import RawValues
from execution.selections import Conditions, Selections, fragments_of
from execution.serial import Step, step
from execution.sites import Memory, Operation, Run, Slots
from execution.sources import ORDINARY
from execution.values import LATER, Pure

BYTES_OF_PLAN = 4_000
BYTES_OF_FIELD = 3_000
BYTES_OF_TOKEN = 500
"""Estimates of the memory that a plan takes, with the functions that are made when it is executed, and with the syntax
tree that it keeps alive."""


class Plan:
    """A compiled operation. Every method raises an exception when graphql-core has to make the answer instead."""

    def __init__(
        self,
        schema: strawberry.Schema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        conditions: Conditions,
        raw: RawValues,
        fragments: Fragments | None = None,
        answers: Answers | None = None,
    ) -> None:
        """Compile an operation of a valid document. Raises Unsupported.

        Queries keep objects in `fragments`, and whole answers in `answers`.
        """
        core = schema._schema  # pyright: ignore[reportPrivateUsage] # there is no public accessor
        self.kind = operation.operation
        root = core.get_root_type(self.kind)
        if root is None:
            raise Unsupported(UNKNOWN)
        if operation.directives or any(each.variable_definitions for each in fragments_of(document).values()):
            raise Unsupported(DIRECTIVE)
        self._operation = Operation(schema, core, operation, fragments_of(document))
        selections = Selections(core, document, conditions)
        # The rows of mutations and messages may be newer than the snapshot of those that are read below them.
        kept = fragments if self.kind is OperationType.QUERY else None
        compiler = Compiler(self._operation, selections, raw, kept)
        fields = compiler.counted(selections.fields(root, [operation.selection_set]))
        self._steps: list[Step] = []
        self.kept: AnswersOfPlan | None = None
        """Its answers; None where none is kept."""
        if self.kind is OperationType.QUERY:
            self._query = ObjectCompiler(compiler, root, None, ORDINARY, nullable=False).of_fields(fields)
            depends = None if answers is None else dependence_of_answer(selections, root, operation)
            # To ask for the moment by a statement would cost as much as to make an answer of one statement.
            if answers is not None and depends is not None and (answers.moments.are_free or not compiler.reads_once):
                self.kept = AnswersOfPlan(answers, depends, operation)
        else:
            self._steps = [step(compiler, root, key, nodes) for key, nodes in fields.items()]
        self._prepares = tuple(compiler.prepares)
        tree = BYTES_OF_TOKEN * (document.token_count or 0)
        self.bytes = BYTES_OF_PLAN + BYTES_OF_FIELD * compiler.field_count + tree

    async def query(
        self,
        context: Any,
        variables: VariableValues,
        extensions: Mapping[str, Any] | None = None,
        memory: Memory | None = None,
    ) -> Data | Encoded:
        """Return the data of a query. `memory` must be the same for executions with the same variables only."""
        run = Run(self._operation, context, variables, None, extensions, memory)
        return await (self._make(run) if self.kept is None else self.kept.answer(run, self._make))

    async def _make(self, run: Run) -> Data:
        slots = self._slots(run)
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

    def complete_at_once(
        self, value: Any, context: Any, variables: VariableValues, extensions: Mapping[str, Any] | None = None
    ) -> Data | None:
        """Return the same without waiting; None if something has to be waited for."""
        slots = self._slots(Run(self._operation, context, variables, value, extensions))
        data = {each.key: each.complete_at_once(value, slots) for each in self._steps}
        return None if LATER in data.values() else data

    def _slots(self, run: Run) -> Slots:
        return [run, *[prepare(run) for prepare in self._prepares]]
