"""Answers by compiled operations. What they do not take is left to graphql-core, and counted.

None stands for an answer that graphql-core has to make, in the same snapshot. Every error is such an answer.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from graphql import GraphQLError, GraphQLSchema, VariableDefinitionNode
from graphql.execution.values import VariableValues, get_variable_values

from execution.answers import Answers
from execution.coercion import variable_values, variables_of
from execution.counters import Paths, reason_of
from execution.deviation import VARIABLES, Unsupported
from execution.fragments import Fragments
from execution.messages import CompiledMessages
from execution.outcomes import Data, Encoded, Outcomes
from execution.plan import Plan
from execution.plans import Plans
from execution.selections import condition_variables
from execution.sites import Memory
from server.transports.documents.documents import ParsedDocument
from server.transports.documents.params import Params

Validate = Callable[[ParsedDocument], list[GraphQLError]]


class Prepared(NamedTuple):
    """A plan with the values of its operation's variables, and what is kept of these between executions."""

    plan: Plan
    variables: VariableValues
    memory: Memory


class CompiledOperations:
    """The compiled operations of one schema. `paths` counts what was answered by them and what was not;
    `fragments` are the rendered objects that the plans keep, `answers` the answers."""

    def __init__(
        self,
        core: GraphQLSchema,
        validate: Validate,
        plans: Plans,
        fragments: Fragments | None = None,
        answers: Answers | None = None,
    ) -> None:
        self._core = core
        self._validate = validate
        self._plans = plans
        self.fragments = fragments
        self.answers = answers
        self.paths = Paths()

    @property
    def has_answers_at_once(self) -> bool:
        """Whether answers are kept, and may be known to be valid without waiting."""
        return self.answers is not None and self.answers.moments.at_once is not None

    async def query(self, prepared: Prepared, params: Params, context: Any) -> Data | Encoded | None:
        """Return the data of a query."""
        try:
            data = await prepared.plan.query(context, prepared.variables, params.extensions, prepared.memory)
        except Exception as error:
            self.paths.leave(reason_of(error))
            return None
        self.paths.compiled += 1
        return data

    async def mutate(self, prepared: Prepared, params: Params, context: Any, outcomes: Outcomes) -> Data | None:
        """Return the data of a mutation. After None, `outcomes` has what was executed and must not be repeated."""
        try:
            data = await prepared.plan.mutate(context, prepared.variables, outcomes, params.extensions)
        except Exception as error:
            self.paths.leave(reason_of(error))
            return None
        self.paths.compiled += 1
        return data

    def messages(self, params: Params, context: Any, parsed: ParsedDocument) -> CompiledMessages | None:
        """Return what completes the messages of a subscription."""
        prepared = self.prepared(params, parsed)
        return (
            None
            if prepared is None
            else CompiledMessages(self.paths, prepared.plan, prepared.variables, context, params.extensions)
        )

    def is_request_error(self, params: Params, parsed: ParsedDocument) -> bool:
        """Return whether the document or its variables are invalid, so that nothing is executed."""
        if self._validate(parsed):
            return True
        definitions = parsed.operation(params.operation_name).variable_definitions or ()
        return isinstance(get_variable_values(self._core, definitions, params.variables or {}), list)

    def prepared(self, params: Params, parsed: ParsedDocument) -> Prepared | None:
        """Return the plan of an operation."""
        if self._validate(parsed):
            return None
        operation = parsed.operation(params.operation_name)
        definitions = operation.variable_definitions or ()
        variables = self._variables(params, parsed, definitions) if definitions else _NONE
        if isinstance(variables, list):
            self.paths.leave(VARIABLES)
            return None
        names = parsed.derived(
            ("conditions", params.operation_name), lambda: condition_variables(parsed.document, operation)
        )
        conditions = [(name, variables.coerced.get(name)) for name in names]
        # A nullable variable with a default may be null all the same; graphql-core refuses that.
        decided = [(name, value) for name, value in conditions if isinstance(value, bool)]
        if len(decided) < len(conditions):
            self.paths.leave(VARIABLES)
            return None
        try:
            return Prepared(self._plans.plan(parsed.text, parsed.document, operation, decided), variables, {})
        except Unsupported as unsupported:
            self.paths.leave(unsupported.reason)
        return None

    def _variables(
        self, params: Params, parsed: ParsedDocument, definitions: Sequence[VariableDefinitionNode]
    ) -> VariableValues | list[GraphQLError]:
        prepared = parsed.derived(("variables", params.operation_name), lambda: variables_of(self._core, definitions))
        return variable_values(self._core, definitions, prepared, params.variables or {})


_NONE = VariableValues({}, {})
