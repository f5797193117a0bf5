"""The compiled operations of one schema, the least recently used of which are forgotten."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import strawberry
from graphql import DocumentNode, OperationDefinitionNode

from execution.answers import Answers
from execution.compile_time import CompileTime
from execution.deviation import COMPILE_TIME, TOO_LARGE, Unsupported
from execution.fragments import Fragments
from execution.plan import Plan
from execution.raw import RawValues

MOST_PLANS: Final = 1_000
MOST_BYTES: Final = 32 * 2**20

Key = tuple[str, str | None, tuple[bool, ...]]


class Plans:
    """Compiles each operation once for each value of its conditions, and keeps at most so many plans and bytes."""

    def __init__(
        self,
        schema: strawberry.Schema,
        raw: RawValues | None = None,
        fragments: Fragments | None = None,
        answers: Answers | None = None,
        *,
        most: int = MOST_PLANS,
        most_bytes: int = MOST_BYTES,
        time: CompileTime | None = None,
    ) -> None:
        self._time = time or CompileTime()
        self._schema = schema
        self._raw = raw or RawValues()
        self._fragments = fragments
        self._answers = answers
        self._most = most
        self._most_bytes = most_bytes
        self._plans: OrderedDict[Key, Plan | str] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        """Return the number of plans, and of operations that are not compiled."""
        return len(self._plans)

    def plan(
        self,
        text: str,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        conditions: Sequence[tuple[str, bool]],
    ) -> Plan:
        """Return the plan of an operation of a valid document, whose text is `text`.

        `conditions` are the values of the variables that @skip and @include use. Raises Unsupported.
        """
        key = (text, None if operation.name is None else operation.name.value, tuple(value for _, value in conditions))
        found = self._plans.get(key)
        if found is None:
            if not self._time.is_left:
                raise Unsupported(COMPILE_TIME)
            with self._time.counted():
                found = self._compiled(document, operation, conditions)
            self._add(key, found)
        else:
            self._plans.move_to_end(key)
        if isinstance(found, str):
            raise Unsupported(found)
        return found

    def _compiled(
        self, document: DocumentNode, operation: OperationDefinitionNode, conditions: Sequence[tuple[str, bool]]
    ) -> Plan | str:
        try:
            return Plan(self._schema, document, operation, dict(conditions), self._raw, self._fragments, self._answers)
        except Unsupported as unsupported:
            return unsupported.reason
        except RecursionError:
            return TOO_LARGE

    def _add(self, key: Key, plan: Plan | str) -> None:
        self._plans[key] = plan
        self.bytes += _bytes(key, plan)
        while len(self._plans) > self._most or (self.bytes > self._most_bytes and len(self._plans) > 1):
            oldest, forgotten = self._plans.popitem(last=False)
            self.bytes -= _bytes(oldest, forgotten)


def _bytes(key: Key, plan: Plan | str) -> int:
    return 2 * len(key[0]) + (100 if isinstance(plan, str) else plan.bytes)
