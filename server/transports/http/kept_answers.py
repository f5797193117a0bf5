"""Kept answers that are sent at once: nothing is executed, so they need no task, and nothing of what it would do.

What an operation is subject to is the same: rate limits, trusted documents, counts and log lines.
"""

import time
from collections.abc import Callable
from typing import Final

from graphql import GraphQLError
from starlette.requests import HTTPConnection

from execution.outcomes import Encoded
from server.transports.execution import Executor
from server.transports.observation.port import Answered
from server.transports.operation_context import OperationContext
from server.transports.payloads import encode
from server.transports.short_path.kept_queries import KeptQuery

GetContextAtOnce = Callable[[HTTPConnection], OperationContext]
"""Makes the context of one operation without waiting."""

_BEFORE_DATA: Final = b'{"data":'


class KeptAnswers:
    """The answers that one schema keeps, to queries that clients send again and again."""

    def __init__(self, executor: Executor, context: GetContextAtOnce) -> None:
        self._executor = executor
        self._context = context
        self.may_answer = executor.queries.keeps
        """Whether the query in a body is kept, and so may its answer."""

    def answer(self, connection: HTTPConnection, body: bytes) -> bytes | None:
        """Return the response to the query in a body, if its answer is kept; it is counted as any other.

        None when it has to be executed; then nothing was counted. Raises TooManyRequests.
        """
        executor = self._executor
        started_at = time.perf_counter()
        known = executor.queries.get(body)
        found = None if known is None else self._found(known, connection)
        if known is None or found is None or not self._is_same(known, connection):
            return None
        _, admitted = executor.admit(known.sent, connection, known)
        executor.count_compiled()
        seconds = time.perf_counter() - started_at
        answered = Answered(admitted.kind.value, admitted.name, admitted.cost, seconds, (), compiled=True)
        executor.observer.answered(connection, answered)
        return _BEFORE_DATA + found.json + self._behind_data(known)

    def _found(self, known: KeptQuery, connection: HTTPConnection) -> Encoded | None:
        kept = known.prepared.plan.kept
        if kept is None:
            return None
        if known.values is None:
            known.values = kept.values_of(known.prepared.variables)
            if known.values is None:
                return None
        return kept.answer_at_once(self._context(connection), known.values)

    def _is_same(self, known: KeptQuery, connection: HTTPConnection) -> bool:
        """Return whether the caller may execute the query, and its identifier still names the same document."""
        try:
            return self._executor.documents.resolve(known.sent, connection).query == known.params.query
        except GraphQLError:
            return False

    def _behind_data(self, known: KeptQuery) -> bytes:
        if known.behind_data is None:
            cost = self._executor.cost_extension(known.admitted)
            known.behind_data = b"}" if cost is None else b',"extensions":' + encode(cost) + b"}"
        return known.behind_data
