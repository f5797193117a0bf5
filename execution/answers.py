"""The answers of queries, kept as long as nothing has changed (docs/decisions/0020-answers-by-moment.md)."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, NamedTuple

import orjson
from graphql import OperationDefinitionNode
from graphql.execution.values import VariableValues

from execution.comparable import comparable_values
from execution.dependence import Dependence
from execution.exact import exact
from execution.outcomes import Data, Encoded
from execution.sites import Run

BYTES_OF_ANSWER: Final = 2_000
"""An estimate of the memory that an answer takes besides its JSON."""

MISSES: Final = 8
"""After so many misses in a row, a moment that costs a statement is asked for by one answer in so many only."""

Key = tuple[Hashable, ...]


class Moments(NamedTuple):
    """What shows whether anything has changed."""

    now: Callable[[Any], Awaitable[Hashable]]
    """Returns, from the context of an operation, a value that is equal for two moments only if nothing was committed
    between them; None when that is unknown."""

    are_free: bool
    """Whether asking costs much less than the cheapest answer."""

    at_once: Callable[[Any], Hashable] | None = None
    """Returns the same as `now` without waiting, if that is possible at all."""


class Answers:
    """The answers of one server at the latest moment that was asked for; the least recently used ones are forgotten.

    `hits` and `misses` count look-ups.
    """

    def __init__(self, most_bytes: int, moments: Moments, scope: Callable[[Any], Hashable]) -> None:
        """`scope` returns, from the context of an operation, by which viewer and with which rights it is made."""
        self.moments = moments
        self.scope = scope
        self.bytes = 0
        self.hits = 0
        self.misses = 0
        self._most_bytes = most_bytes
        self._moment: Hashable = None
        self._entries: OrderedDict[Key, Encoded] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of answers."""
        return len(self._entries)

    def get(self, key: Key, moment: Hashable) -> Encoded | None:
        """Return the answer if it is kept for this moment. Those of another moment are forgotten."""
        if not self.is_latest(moment):
            self._entries.clear()
            self.bytes = 0
            self._moment = moment
        found = self.found(key)
        if found is None:
            self.misses += 1
        return found

    def found(self, key: Key) -> Encoded | None:
        """Return the answer if it is kept for the latest moment that was asked for. A miss is not counted."""
        found = self._entries.get(key)
        if found is not None:
            self.hits += 1
            self._entries.move_to_end(key)
        return found

    def is_latest(self, moment: Hashable) -> bool:
        """Return whether the moment is the one for which answers are kept."""
        return moment == self._moment

    def put(self, key: Key, moment: Hashable, data: Data) -> Data | Encoded:
        """Keep the answer of a moment, read after it; return it encoded. One that orjson cannot encode is returned."""
        try:
            answer = Encoded(exact(orjson.dumps(data)))
        except TypeError:
            return data
        size = _size(answer)
        if moment != self._moment or size > self._most_bytes:
            return answer
        former = self._entries.pop(key, None)
        self.bytes += size - (0 if former is None else _size(former))
        self._entries[key] = answer
        while self.bytes > self._most_bytes:
            self.bytes -= _size(self._entries.popitem(last=False)[1])
        return answer


class AnswersOfPlan:
    """The answers of one plan."""

    def __init__(self, answers: Answers, depends: Dependence, operation: OperationDefinitionNode) -> None:
        self._answers = answers
        self._keys = tuple(depends.keys)
        self._names = tuple(each.variable.name.value for each in operation.variable_definitions or ())
        self._missed = 0

    def answer_at_once(self, context: Any, values: Key) -> Encoded | None:
        """Return the kept answer of an execution with these values of variables (`values_of`), if it may be known
        without waiting. Otherwise None, and `answer` has to be asked."""
        answers, at_once = self._answers, self._answers.moments.at_once
        # After a miss the next answers are likely to be new ones, too.
        if self._missed or at_once is None:
            return None
        moment = at_once(context)
        if moment is None or not answers.is_latest(moment):
            return None
        return answers.found((self, answers.scope(context), values, *[key(context) for key in self._keys]))

    def values_of(self, variables: VariableValues) -> Key | None:
        """Return what an answer depends on of the variables; None if it cannot be compared."""
        return comparable_values(variables.coerced, self._names)

    async def answer(self, run: Run, make: Callable[[Run], Awaitable[Data]]) -> Data | Encoded:
        """Return the kept answer of an execution, or make it."""
        answers, moments = self._answers, self._answers.moments
        key = self._key(run)
        if key is None or not (moments.are_free or self._missed < MISSES or self._missed % MISSES == 0):
            self._missed += 1
            return await make(run)
        # Asked for before anything is read: what is read is of this moment, or of a later one that differs from it.
        moment = await moments.now(run.context)
        if moment is None:
            return await make(run)
        found = answers.get(key, moment)
        if found is not None:
            self._missed = 0
            return found
        self._missed += 1
        return answers.put(key, moment, await make(run))

    def _key(self, run: Run) -> Key | None:
        """Return what the answer depends on besides the stored rows; None if it cannot be compared."""
        context, values = run.context, self.values_of(run.variables)
        if values is None:
            return None
        # The object of the plan stands for the document, and for the conditions of its directives.
        return (self, self._answers.scope(context), values, *[key(context) for key in self._keys])


def _size(answer: Encoded) -> int:
    return len(answer.json) + BYTES_OF_ANSWER
