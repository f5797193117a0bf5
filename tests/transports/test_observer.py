"""What is reported to an observer of operations that end in unusual ways."""

from collections.abc import Mapping

import pytest
from graphql import GraphQLError
from starlette.requests import HTTPConnection

from server.transports.closing import CloseConnection
from server.transports.documents.params import Params
from server.transports.execution import Executor
from server.transports.limits import TransportLimits
from server.transports.observation.port import Answered, NoObserver, Stream, StreamEnd
from tests.support.sample_app import SCHEMA, Context, Sample


class Observed(NoObserver):
    """Records the reports."""

    def __init__(self) -> None:
        self.codes: list[tuple[str, ...]] = []
        self.open = 0

    def answered(self, connection: HTTPConnection, answered: Answered) -> None:
        """Keep the codes."""
        self.codes.append(answered.codes)

    def stream_started(self, connection: HTTPConnection, stream: Stream) -> None:
        """Count it."""
        self.open += 1

    def stream_ended(self, connection: HTTPConnection, stream: Stream, end: StreamEnd) -> None:
        """Count it, and keep the codes."""
        self.open -= 1
        self.codes.append(end.codes)


class BrokenContext(Context):
    """A context that cannot give its connection to the database back."""

    async def answered(self) -> None:
        """Fail."""
        raise ConnectionResetError


def connection_of(headers: Mapping[str, str]) -> HTTPConnection:
    """Return the connection of a request with these headers."""
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "headers": pairs, "state": {}})


async def test_stream_that_cannot_release_its_connection_has_ended() -> None:
    """It failed, and is not counted as open for ever."""
    sample, observed = Sample(), Observed()

    async def context(connection: HTTPConnection) -> Context:
        return BrokenContext(sample.probe, connection)

    executor, connection = Executor(SCHEMA, context, TransportLimits(), observer=observed), connection_of({})
    params, admitted = executor.admit(Params("subscription { count(to: 2) }", None, None, None), connection)
    results = await executor.subscribe(params, connection, admitted)
    with pytest.raises(ConnectionResetError):
        await anext(results)
    assert (observed.open, observed.codes) == (0, [("INTERNAL",)])


@pytest.mark.parametrize(
    ("caller", "codes", "raised"),
    [("unknown", ("FORBIDDEN",), CloseConnection), ("broken", ("INTERNAL",), RuntimeError)],
)
async def test_caller_who_is_refused_is_no_failure(
    caller: str, codes: tuple[str, ...], raised: type[Exception]
) -> None:
    """Alerts count failures; a refusal is none."""
    sample, observed = Sample(), Observed()
    executor = Executor(SCHEMA, sample.context, TransportLimits(), observer=observed)
    connection = connection_of({"x-caller": caller})
    params, admitted = executor.admit(Params("{ hello }", None, None, None), connection)
    with pytest.raises(raised):
        await executor.execute(params, connection, admitted)
    assert observed.codes == [codes]


async def test_refused_document_is_reported_once() -> None:
    """Its kind and name are unknown."""
    sample, observed = Sample(), Observed()
    executor = Executor(SCHEMA, sample.context, TransportLimits(), observer=observed)
    with pytest.raises(GraphQLError):
        executor.admit(Params("query {", None, None, None), connection_of({}))
    assert observed.codes == [("GRAPHQL_PARSE_FAILED",)]
