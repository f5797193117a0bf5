"""Queries that clients send again and again, byte for byte, with what admission and compilation found of them.

The parameters in a body, the operation, its cost, its plan and the values of its variables depend on the body alone.
Who may execute it, and how often, is decided for each request.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Final

from execution.plan import Plan
from server.transports.documents.compiled import Prepared
from server.transports.documents.document_limiter import Admitted
from server.transports.documents.documents import ParsedDocument
from server.transports.documents.params import Params
from server.transports.short_path.repetitions import Repetitions

BYTES_OF_QUERY: Final = 4_000
BYTES_OF_CHARACTER: Final = 6
BYTES_OF_VALUE: Final = 400
"""Estimates of the memory that a query takes beside its document and its plan, which it may share with others."""

MOST_BODY_BYTES: Final = 8_192
"""Queries in longer bodies are not kept."""

_MARKS_OF_VALUES: Final = (b",", b"[", b"{")


@dataclass(slots=True)
class KeptQuery:
    """A query that was answered by a plan."""

    sent: Params
    """As they are in the body, perhaps with the identifier of a document only."""
    params: Params
    """The same with the document."""
    admitted: Admitted
    prepared: Prepared
    values: tuple[Hashable, ...] | None = None
    """The values of its variables as parts of a key, once they were needed (`AnswersOfPlan.values_of`)."""
    behind_data: bytes | None = None
    """The end of the body of its response, behind the data, once it was needed."""


class KeptQueries:
    """The queries that one schema keeps, by the body of the request.

    The least recently used are forgotten beyond a number of bytes, in which each document and plan counts once.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[bytes, KeptQuery] = OrderedDict()
        self._sent = Repetitions()
        self._uses: dict[ParsedDocument | Plan, int] = {}
        self.bytes = 0
        # The method of the dictionary itself: every request asks it.
        self.keeps: Callable[[bytes], bool] = self._kept.__contains__
        """Whether the query in a body is kept."""

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self._kept)

    def get(self, body: bytes) -> KeptQuery | None:
        """Return the query in a body, if it is kept."""
        found = self._kept.get(body)
        if found is not None:
            self._kept.move_to_end(body)
        return found

    def see(self, body: bytes, query: KeptQuery) -> None:
        """Keep a query if its body was sent before; else remember that it was sent."""
        if not self._most_bytes or len(body) > MOST_BODY_BYTES or body in self._kept:
            return
        if self._sent.is_repeated(body):
            self._keep(body, query)

    def _keep(self, body: bytes, query: KeptQuery) -> None:
        self._kept[body] = query
        self.bytes += _bytes(body)
        for part in _parts(query):
            self._uses[part] = self._uses.get(part, 0) + 1
            if self._uses[part] == 1:
                self.bytes += part.bytes
        while self.bytes > self._most_bytes:
            self._forget(*self._kept.popitem(last=False))

    def _forget(self, body: bytes, query: KeptQuery) -> None:
        self.bytes -= _bytes(body)
        for part in _parts(query):
            self._uses[part] -= 1
            if not self._uses[part]:
                del self._uses[part]
                self.bytes -= part.bytes


def _parts(query: KeptQuery) -> Iterable[ParsedDocument | Plan]:
    """Return what several queries may share."""
    parsed = query.admitted.parsed
    return (query.prepared.plan,) if parsed is None else (query.prepared.plan, parsed)


def _bytes(body: bytes) -> int:
    values = sum(map(body.count, _MARKS_OF_VALUES))
    return BYTES_OF_QUERY + BYTES_OF_CHARACTER * len(body) + BYTES_OF_VALUE * values
