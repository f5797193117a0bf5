"""The messages of a subscription."""

from collections.abc import Mapping
from typing import Any

from graphql.execution.values import VariableValues

from execution.counters import Paths, reason_of
from execution.outcomes import Data
from execution.plan import Plan


class CompiledMessages:
    """Completes the messages of one subscription, or of a group that shares one."""

    def __init__(
        self,
        paths: Paths,
        plan: Plan,
        variables: VariableValues,
        context: Any,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        self._paths = paths
        self._plan = plan
        self.variables = variables
        """The values of the variables of the operation."""
        self._context = context
        self._extensions = extensions

    async def complete(self, value: Any) -> Data | None:
        """Return the data of a message whose root field has this value; None when graphql-core has to make it."""
        try:
            data = await self._plan.complete(value, self._context, self.variables, self._extensions)
        except Exception as error:
            self._paths.leave(reason_of(error))
            return None
        self._paths.compiled += 1
        return data

    def complete_at_once(self, value: Any) -> Data | None:
        """Return the same without waiting; None when `complete` has to make it."""
        try:
            data = self._plan.complete_at_once(value, self._context, self.variables, self._extensions)
        except Exception:
            return None
        if data is not None:
            self._paths.compiled += 1
        return data
